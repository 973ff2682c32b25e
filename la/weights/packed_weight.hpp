#pragma once

#include <memory>
#include <span>

#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "../core/team.hpp"
#include "weight.hpp"
#include "panel_format.hpp"
#include "packed_file.hpp"

namespace la::inline LA_ABI {

/// A weight in panels of 16 outputs, as the kernels want it: its own, or lying in a mapped file.
class PackedWeight final : public Weight {
 public:
  /// Packs the stacked parts and gives their file pages back.
  /// format, for auto_: BF16 stays bf16. 4-bit integers stay as they are when their groups are multiples of 32. Panels
  /// of a packed file are mapped. Everything else (F32, F16, parts of different types, other groups) becomes f32, which
  /// is exact. q8 and q4 round each group of floats to nearest, q4 in groups of 32.
  static std::unique_ptr<PackedWeight> pack(std::span<const WeightPart> parts, WeightFormat format,
                                            Team* team,
                                            const std::shared_ptr<MemoryResource>& memory = nullptr);
  /// The format that pack chooses.
  static PanelFormat choose_format(std::span<const WeightPart> parts, WeightFormat format);

  /// Panels to be filled by the caller.
  PackedWeight(PanelFormat format, i64 outputs, i64 inputs,
               const std::shared_ptr<MemoryResource>& memory = nullptr);
  /// Panels used where they lie.
  explicit PackedWeight(const StoredPanels& stored);

  PanelFormat panel_format() const noexcept { return format_; }
  std::string_view format() const noexcept override { return name_of(format_); }
  std::size_t bytes() const noexcept override { return panel_bytes() + bias_.size(); }
  std::size_t panel_bytes() const noexcept { return std::size_t(panel_count(outputs())) * stride_; }
  const float* bias() const noexcept { return bias_.as<const float>(); }
  /// Panels from output column n (a multiple of 16) on.
  const std::byte* panels(i64 n) const noexcept {
    return panels_ + std::size_t(n / kernels::kPanel) * stride_;
  }
  /// The same, of a weight that owns its panels.
  std::byte* own_panels(i64 n) noexcept { return own_.data() + std::size_t(n / kernels::kPanel) * stride_; }
  /// Copies row n, widened or dequantised.
  void row(i64 n, float* out) const noexcept;

 private:
  void set_bias(std::span<const float> bias);

  PanelFormat format_;
  std::size_t stride_;  // bytes from panel to panel
  Storage own_;         // empty when they are mapped
  std::shared_ptr<const MappedFile> mapping_;
  const std::byte* panels_;
  Storage bias_;  // [N] or empty
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "packed_weight.cpp"
#endif
