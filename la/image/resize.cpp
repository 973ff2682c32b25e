#include "resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline constexpr int kResizeBits =
    22;  // fraction bits of a coefficient: |sum| <= 255 * 2^22 * 1.25 fits 32 bits

/// The taps of one axis: output i is the sum of inputs [first, first + count) of range(i) times weights_of(i).
struct ResizeTaps {
  struct Range {
    i64 first, count;
  };
  std::vector<Range> ranges;
  std::vector<std::int32_t> weights;
  std::size_t stride = 0;

  const Range& range(i64 i) const noexcept { return ranges[std::size_t(i)]; }
  const std::int32_t* weights_of(i64 i) const noexcept { return weights.data() + std::size_t(i) * stride; }
};

inline double bicubic_weight(double x) noexcept {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

inline std::int32_t to_fixed_point(double weight) noexcept {  // half away from zero
  const double scaled = weight * double(1 << kResizeBits);
  return std::int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

inline ResizeTaps resize_taps(i64 in, i64 out) {
  const double scale = double(in) / double(out), filter_scale = std::max(scale, 1.0);
  const double support = 2 * filter_scale, inverse = 1 / filter_scale;
  ResizeTaps taps;
  taps.stride = std::size_t(std::ceil(support)) * 2 + 1;
  taps.weights.resize(std::size_t(out) * taps.stride);
  std::vector<double> weights;
  for (i64 i = 0; i < out; ++i) {
    const double centre = (double(i) + 0.5) * scale;
    const i64 first = std::max(i64{0}, i64(centre - support + 0.5));
    const i64 count = std::min(in, i64(centre + support + 0.5)) - first;
    double sum = 0;
    weights.clear();
    for (i64 t = 0; t < count; ++t) {
      weights.push_back(bicubic_weight((double(t + first) - centre + 0.5) * inverse));
      sum += weights.back();
    }
    std::int32_t* fixed = taps.weights.data() + std::size_t(i) * taps.stride;
    for (const double weight : weights) *fixed++ = to_fixed_point(weight / sum);
    taps.ranges.push_back({first, count});
  }
  return taps;
}

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

LA_INLINE ImageView resize_if_needed(const ImageView& image, i64 width, i64 height, Team* team,
                                     Image& resized) {
  require_pixels(image, "resize");
  if (width == image.width && height == image.height) return image;
  resized = resize_bicubic(image, width, height, team);
  return resized;
}

LA_INLINE Image limit_side(const ImageView& image, i64 max_side, Team* team) {
  require_pixels(image, "resize");
  const PixelSize size = limited_size(image.width, image.height, max_side);
  return resize_bicubic(image, size.width, size.height, team);
}

}  // namespace la::inline LA_ABI
