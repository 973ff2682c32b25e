#include "resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "resize_taps.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline std::uint8_t from_fixed_point(std::int32_t sum) noexcept {
  return std::uint8_t(std::clamp(sum >> kResizeBits, 0, 255));
}

inline constexpr std::int32_t kResizeHalf = 1 << (kResizeBits - 1);

inline void resize_row(const std::uint8_t* in, const ResizeTaps& taps, i64 width,
                       std::uint8_t* out) noexcept {
  for (i64 x = 0; x < width; ++x, out += 3) {
    const auto [first, count] = taps.range(x);
    const std::uint8_t* pixel = in + 3 * first;
    const std::int32_t* weight = taps.weights_of(x);
    std::int32_t r = kResizeHalf, g = kResizeHalf, b = kResizeHalf;
    for (i64 t = 0; t < count; ++t, pixel += 3) {
      r += pixel[0] * weight[t];
      g += pixel[1] * weight[t];
      b += pixel[2] * weight[t];
    }
    out[0] = from_fixed_point(r);
    out[1] = from_fixed_point(g);
    out[2] = from_fixed_point(b);
  }
}

inline Image resize_rows(const ImageView& image, i64 width, Team* team) {
  const ResizeTaps taps = resize_taps(image.width, width);
  Image result(width, image.height);
  parallel_for(image.height, team, [&](i64 begin, i64 end, int) {
    std::vector<std::uint8_t> scratch(std::size_t(3 * image.width));
    for (i64 y = begin; y < end; ++y)
      resize_row(rgb_pixels(image, y, 0, image.width, scratch.data()), taps, width, result.row(y));
  });
  return result;
}

/// Row y of the result, in strips whose sums stay in the first-level cache.
inline void resize_column_strips(const ImageView& image, const ResizeTaps& taps, i64 y,
                                 std::uint8_t* out) noexcept {
  constexpr i64 kStrip = 3 * 341;
  const auto [first, count] = taps.range(y);
  std::int32_t sums[kStrip];
  std::uint8_t scratch[kStrip];
  for (i64 begin = 0; begin < image.width * 3; begin += kStrip) {
    const i64 size = std::min(kStrip, image.width * 3 - begin);
    std::fill_n(sums, size, kResizeHalf);
    for (i64 t = 0; t < count; ++t) {
      const std::uint8_t* in = rgb_pixels(image, first + t, begin / 3, size / 3, scratch);
      const std::int32_t weight = taps.weights_of(y)[t];
      LA_VECTOR_LOOP
      for (i64 i = 0; i < size; ++i) sums[i] += in[i] * weight;
    }
    LA_VECTOR_LOOP
    for (i64 i = 0; i < size; ++i) out[begin + i] = from_fixed_point(sums[i]);
  }
}

inline Image resize_columns(const ImageView& image, i64 height, Team* team) {
  const ResizeTaps taps = resize_taps(image.height, height);
  Image result(image.width, height);
  parallel_for(height, team, [&](i64 begin, i64 end, int) {
    for (i64 y = begin; y < end; ++y) resize_column_strips(image, taps, y, result.row(y));
  });
  return result;
}

}  // namespace detail

LA_INLINE Image resize_bicubic(const ImageView& image, i64 width, i64 height, Team* team) {
  require_pixels(image, "resize");
  if (width <= 0 || height <= 0)
    fail_usage("resize: expected sides of at least 1, found ", image.width, "x", image.height, " to ", width,
               "x", height);
  if (width == image.width)
    return height == image.height ? to_image(image) : detail::resize_columns(image, height, team);
  const Image rows = detail::resize_rows(image, width, team);
  return height == image.height ? rows : detail::resize_columns(rows, height, team);
}

LA_INLINE PixelSize limited_size(i64 width, i64 height, i64 max_side) {
  if (max_side < 1) fail_usage("maximum image side: expected at least 1, found ", max_side);
  const i64 longer = std::max(width, height);
  if (longer <= max_side) return {width, height};
  const auto scaled = [&](i64 side) {
    return std::max(i64{1}, i64(std::nearbyint(double(side * max_side) / double(longer))));
  };
  return {scaled(width), scaled(height)};
}

LA_INLINE ImageView resize_in_steps(const ImageView& image, std::span<const PixelSize> steps, Team* team,
                                    Image& resized) {
  require_pixels(image, "resize");
  ImageView view = image;
  for (const PixelSize& size : steps) {
    resized = resize_bicubic(view, size.width, size.height, team);
    view = resized;
  }
  return view;
}

LA_INLINE Image limit_side(const ImageView& image, i64 max_side, Team* team) {
  require_pixels(image, "resize");
  const PixelSize size = limited_size(image.width, image.height, max_side);
  return resize_bicubic(image, size.width, size.height, team);
}

}  // namespace la::inline LA_ABI
