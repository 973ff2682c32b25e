#include "tiles.hpp"

#include <algorithm>

#include "../../kernels/common/float_bits.hpp"
#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Where tiles begin along one axis.
inline std::vector<i64> tile_starts(i64 length, const Tiling& tiling) {
  const i64 step = std::max(i64{1}, tiling.side - i64(double(tiling.side) * tiling.overlap));
  std::vector<i64> starts{0};
  while (starts.back() + tiling.side < length)
    starts.push_back(std::min(starts.back() + step, length - tiling.side));
  return starts;
}

}  // namespace detail

LA_INLINE std::vector<Rect> tiles_of(i64 width, i64 height, const Tiling& tiling) {
  if (tiling.side < 0) fail_usage("tile: expected a side of 0 or more pixels, found ", tiling.side);
  if (!is_finite(tiling.overlap) || tiling.overlap < 0 || tiling.overlap > 0.9)
    fail_usage("tile: expected an overlap from 0 to 0.9, found ", tiling.overlap);
  std::vector<Rect> tiles;
  if (tiling.side == 0 || std::max(width, height) <= tiling.side) return tiles;
  for (const i64 top : detail::tile_starts(height, tiling))
    for (const i64 left : detail::tile_starts(width, tiling))
      tiles.push_back({left, top, std::min(left + tiling.side, width), std::min(top + tiling.side, height)});
  return tiles;
}

LA_INLINE Image crop(const ImageView& image, const Rect& rect) {
  require_pixels(image, "crop");
  require(rect.left >= 0 && rect.top >= 0 && rect.left < rect.right && rect.top < rect.bottom &&
              rect.right <= image.width && rect.bottom <= image.height,
          "crop: expected a rectangle inside ", image.width, "x", image.height, ", found ", rect.left, " ",
          rect.top, " ", rect.right, " ", rect.bottom);
  Image part(rect.right - rect.left, rect.bottom - rect.top);
  for (i64 y = 0; y < part.height; ++y) {
    const std::uint8_t* row = detail::rgb_pixels(image, rect.top + y, rect.left, part.width, part.row(y));
    if (row != part.row(y)) std::copy_n(row, 3 * part.width, part.row(y));
  }
  return part;
}

}  // namespace la::inline LA_ABI
