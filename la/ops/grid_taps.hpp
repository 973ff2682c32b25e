#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../core/tensor.hpp"

namespace la::inline LA_ABI::detail {

/// The four source indices and weights of one output position.
struct GridTaps {
  i64 index[4];
  float weight[4];
};

/// Weight of the tap at distance x. source: Keys 1981, with a = -0.75 as in torch
inline double grid_tap_weight(double x) noexcept {
  constexpr double a = -0.75;
  x = std::abs(x);
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/// Taps of `out` positions over `in`: source (i + 0.5) in / out - 0.5, not clamped; taps clamped to the grid.
inline std::vector<GridTaps> grid_taps(i64 in, i64 out) {
  std::vector<GridTaps> taps(static_cast<std::size_t>(out));
  for (i64 i = 0; i < out; ++i) {
    const double source = (double(i) + 0.5) * double(in) / double(out) - 0.5, base = std::floor(source);
    for (int t = 0; t < 4; ++t) {
      const i64 at = i64(base) - 1 + t;
      taps[std::size_t(i)].index[t] = std::clamp<i64>(at, 0, in - 1);
      taps[std::size_t(i)].weight[t] = float(grid_tap_weight(source - double(at)));
    }
  }
  return taps;
}

}  // namespace la::inline LA_ABI::detail
