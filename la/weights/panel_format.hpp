#pragma once

#include <cstddef>
#include <string_view>

#include "../../kernels/kernels.hpp"
#include "../core/inline.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

using kernels::PanelFormat;

/// "f32", "bf16", "q8", "q4" (the group size is not part of the name people give)
std::string_view name_of(PanelFormat format) noexcept;
/// "f32", "bf16", "q8_g128", "q4_g128", "q4_g32": the layout spelled out, as packed files name it.
std::string_view layout_name(PanelFormat format) noexcept;
/// Bytes of one panel of 16 outputs and k inputs.
std::size_t panel_bytes(PanelFormat format, i64 k) noexcept;
/// Inputs that share a scale, 0 where each weight stands for itself.
i64 group_size(PanelFormat format) noexcept;
/// Panels of n outputs.
constexpr i64 panel_count(i64 n) noexcept {
  return (n + kernels::kPanel - 1) / kernels::kPanel;
}

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "panel_format.cpp"
#endif
