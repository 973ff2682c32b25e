#pragma once

#include <vector>

#include "../core/inline.hpp"
#include "draw.hpp"
#include "image_view.hpp"

namespace la::inline LA_ABI {

/// Overlapping squares that a picture is looked at in, beside the whole, so that small things are seen larger.
/// source: SAHI's slicing, its names and its overlap
struct Tiling {
  i64 side = 0;          ///< units: pixels; 0: no tiles
  double overlap = 0.2;  ///< of neighbours, as a share of the side
};

/// The tiles of a picture, row by row; none where one would hold it all. The last of a row or column ends at the
/// picture's edge.
/// error: (usage) a negative side, an overlap outside [0, 0.9]
std::vector<Rect> tiles_of(i64 width, i64 height, const Tiling& tiling);

/// The pixels of a part, as RGB.
/// error: a rectangle that is empty or not inside the picture; see require_pixels
Image crop(const ImageView& image, const Rect& rect);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "tiles.cpp"
#endif
