#include "resize_taps.hpp"

#include <algorithm>
#include <cmath>

namespace la::inline LA_ABI::detail {

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

/// Inputs on either side of an output's centre.
inline double resize_support(i64 in, i64 out) noexcept {
  return 2 * std::max(double(in) / double(out), 1.0);
}

LA_INLINE std::size_t most_resize_taps(i64 in, i64 out) noexcept {
  return std::size_t(std::ceil(resize_support(in, out))) * 2 + 1;
}

LA_INLINE ResizeTaps resize_taps(i64 in, i64 out) {
  const double scale = double(in) / double(out), support = resize_support(in, out);
  const double inverse = 1 / std::max(scale, 1.0);
  ResizeTaps taps;
  taps.stride = most_resize_taps(in, out);
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

}  // namespace la::inline LA_ABI::detail
