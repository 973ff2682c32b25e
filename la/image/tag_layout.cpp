#include "tag_layout.hpp"

#include <algorithm>

namespace la::inline LA_ABI {

LA_INLINE Rect TagLayout::inside_image(i64 left, i64 top, i64 width, i64 height) const noexcept {
  left = std::max(i64{0}, std::min(left, width_ - width));
  top = std::max(i64{0}, std::min(top, height_ - height));
  return {left, top, left + width, top + height};
}

LA_INLINE i64 TagLayout::covered_area(const Rect& rect) const noexcept {
  i64 area = 0;
  for (const Rect& tag : tags_) {
    const i64 width = std::min(rect.right, tag.right) - std::max(rect.left, tag.left);
    const i64 height = std::min(rect.bottom, tag.bottom) - std::max(rect.top, tag.top);
    if (width > 0 && height > 0) area += width * height;
  }
  return area;
}

LA_INLINE Rect TagLayout::place(const Rect& around, i64 width, i64 height) {
  constexpr i64 kSteps = 8;
  Rect best;
  i64 least = -1;
  const auto consider = [&](i64 left, i64 top) {
    if (least == 0) return;
    const Rect rect = inside_image(left, top, width, height);
    const i64 area = covered_area(rect);
    if (least < 0 || area < least) {
      best = rect;
      least = area;
    }
  };
  const i64 above = around.top - height, flush_right = around.right - width;
  consider(around.left, above);
  consider(around.left, around.bottom);
  consider(flush_right, above);
  consider(flush_right, around.bottom);
  for (i64 step = 0; step < kSteps; ++step) consider(around.left, around.top + step * height);
  tags_.push_back(best);
  return best;
}

}  // namespace la::inline LA_ABI
