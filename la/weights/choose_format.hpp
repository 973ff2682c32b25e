#pragma once

#include <span>

#include "panel_format.hpp"
#include "weight_rows.hpp"

namespace la::inline LA_ABI::detail {

/// error: a dtype that cannot be packed
inline PanelFormat panel_format_of_floats(std::span<const WeightPart> parts, WeightFormat requested) {
  const DType stored = common_dtype(parts);
  switch (requested) {
    case WeightFormat::f32:
      return PanelFormat::f32;
    case WeightFormat::bf16:
      return PanelFormat::bf16;
    case WeightFormat::q8:
      return PanelFormat::q8;
    case WeightFormat::q4:
      return PanelFormat::q4_g32;
    case WeightFormat::auto_:
      break;
  }
  return stored == DType::bf16 ? PanelFormat::bf16 : PanelFormat::f32;
}

/// Whether these panels are what was requested, so that they can be used as they are.
inline bool is_requested(PanelFormat format, WeightFormat requested) {
  return requested == WeightFormat::auto_ || la::name_of(format) == name_of(requested);
}

/// See PackedWeight::choose_format.
inline PanelFormat choose_format(std::span<const WeightPart> parts, WeightFormat format) {
  if (parts.size() == 1 && parts[0].panels && is_requested(parts[0].panels->format, format))
    return parts[0].panels->format;
  const auto integers = lossless_format(parts);
  if (integers && is_requested(*integers, format)) return *integers;
  return panel_format_of_floats(parts, format);
}

}  // namespace la::inline LA_ABI::detail
