#pragma once

#include <memory>
#include <optional>
#include <string>

#include "../core/error.hpp"
#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "../io/checkpoint.hpp"
#include "panel_format.hpp"

namespace la::inline LA_ABI {

/// Panels in kernel order that lie in a mapped file, see PackedFile. Made, and checked, by find_panels.
struct StoredPanels {
  PanelFormat format = PanelFormat::f32;
  i64 outputs = 0, inputs = 0;
  const StoredTensor* panels = nullptr;            ///< U8, 64-byte aligned
  std::shared_ptr<const MappedFile> mapping = {};  ///< keeps them in memory
};

/// The packed file: a safetensors file whose linear weights lie in the order of the kernels, so that they are mapped
/// and used with no conversion.
///
/// `NAME.panels` is U8 [bytes], 64-byte aligned in the file and padded to a multiple of 64; `NAME.bias`, where there is
/// one, F32 [N]; the metadata tell `NAME` -> "FORMAT N K" with FORMAT as layout_name spells it, and
/// kPackedVersionKey -> kPackedVersion. What is no linear weight is stored as in any checkpoint.
inline constexpr const char* kPackedVersionKey = "la_packed";
inline constexpr const char* kPackedVersion = "1";

/// The panels of the stacked weight `name` [outputs, inputs]; nothing when there is no `name`.panels.
/// error: another version, format, shape or size than expected, panels that are not aligned
std::optional<StoredPanels> find_panels(const Checkpoint& checkpoint, const std::string& name, i64 outputs,
                                        i64 inputs);

namespace detail {

/// "q4_g128 2560 2048"
inline std::string describe_panels(PanelFormat format, i64 outputs, i64 inputs) {
  return concat(layout_name(format), " ", outputs, " ", inputs);
}

/// Bytes of all panels, padded so that the next tensor is aligned again.
inline std::size_t padded_panels(PanelFormat format, i64 outputs, i64 inputs) {
  return round_up(std::size_t(panel_count(outputs)) * panel_bytes(format, inputs), kAlignment);
}

}  // namespace detail
}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "packed_file.cpp"
#endif
