#pragma once

#include <vector>

#include "../core/inline.hpp"
#include "draw.hpp"

namespace la::inline LA_ABI {

/// Finds room for text tags: inside the picture, next to what they name, off each other where possible.
class TagLayout {
 public:
  TagLayout(i64 image_width, i64 image_height) : width_(image_width), height_(image_height) {}

  /// Places a tag of this size: above `around`, else below, else stepping down its left edge; the place that
  /// covers least of the earlier tags wins, the first of equals. The tag starts inside the picture always and
  /// ends inside it if it fits.
  Rect place(const Rect& around, i64 width, i64 height);

 private:
  Rect inside_image(i64 left, i64 top, i64 width, i64 height) const noexcept;
  i64 covered_area(const Rect& rect) const noexcept;

  i64 width_, height_;
  std::vector<Rect> tags_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "tag_layout.cpp"
#endif
