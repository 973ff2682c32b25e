#include "panel_format.hpp"

#include <cstdint>

namespace la::inline LA_ABI {

LA_INLINE std::string_view name_of(PanelFormat format) noexcept {
  switch (format) {
    case PanelFormat::f32:
      return "f32";
    case PanelFormat::bf16:
      return "bf16";
    case PanelFormat::q8:
      return "q8";
    case PanelFormat::q4_g128:
    case PanelFormat::q4_g32:
      break;
  }
  return "q4";
}

LA_INLINE std::string_view layout_name(PanelFormat format) noexcept {
  switch (format) {
    case PanelFormat::q8:
      return "q8_g128";
    case PanelFormat::q4_g128:
      return "q4_g128";
    case PanelFormat::q4_g32:
      return "q4_g32";
    default:
      return name_of(format);
  }
}

LA_INLINE i64 group_size(PanelFormat format) noexcept {
  switch (format) {
    case PanelFormat::q8:
    case PanelFormat::q4_g128:
      return 128;
    case PanelFormat::q4_g32:
      return 32;
    default:
      return 0;
  }
}

LA_INLINE std::size_t panel_bytes(PanelFormat format, i64 k) noexcept {
  const std::size_t inputs = std::size_t(k), group = std::size_t(group_size(format));
  const std::size_t groups = group ? (inputs + group - 1) / group : 0;
  switch (format) {
    case PanelFormat::f32:
      return inputs * kernels::kPanel * sizeof(float);
    case PanelFormat::bf16:
      return inputs * kernels::kPanel * sizeof(std::uint16_t);
    case PanelFormat::q8:
      return groups * sizeof(kernels::Q8Block);
    case PanelFormat::q4_g128:
      return groups * sizeof(kernels::Q4Block<128>);
    case PanelFormat::q4_g32:
      break;
  }
  return groups * sizeof(kernels::Q4Block<32>);
}

}  // namespace la::inline LA_ABI
