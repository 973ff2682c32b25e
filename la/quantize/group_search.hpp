#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "../core/scalar.hpp"

// The scale and zero point of one group of 4-bit weights, chosen for what its inputs weigh.
namespace la::inline LA_ABI::detail {

/// w = scale * (q - zero), q in 0..15, zero in 1..15: every packing of other tools can hold that.
struct Int4Scale {
  f16 half_scale{0};
  std::uint8_t zero = 8;

  float scale() const noexcept { return to_float(half_scale); }
  std::uint8_t code(float w) const noexcept {
    const float s = scale();
    if (!(s > 0)) return zero;
    return std::uint8_t(std::clamp(int(std::nearbyint(std::clamp(w / s, -64.0f, 64.0f))) + int(zero), 0, 15));
  }
  float value(std::uint8_t q) const noexcept { return scale() * float(int(q) - int(zero)); }
};

/// sum_k weight_k (w_k - value_k)^2
inline double weighted_error(const Int4Scale& s, std::span<const float> w, const float* weight) {
  double error = 0;
  for (std::size_t k = 0; k < w.size(); ++k) {
    const float e = w[k] - s.value(s.code(w[k]));
    error += double(weight[k]) * double(e) * double(e);
  }
  return error;
}

/// The range [low, high], widened to hold zero, in 15 steps.
inline Int4Scale scale_of_range(float low, float high) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  Int4Scale s;
  // A range above zero leaves code 0 unused, so that the zero point is 1.
  s.half_scale = to_f16(low < 0 ? (high - low) / 15 : high / 14);
  if (s.scale() > 0) s.zero = std::uint8_t(std::clamp(int(std::nearbyint(-low / s.scale())), 1, 15));
  return s;
}

/// Rounding to nearest: the whole range of the group.
inline Int4Scale plain_scale(std::span<const float> w) {
  const auto [low, high] = std::minmax_element(w.begin(), w.end());
  return w.empty() ? Int4Scale{} : scale_of_range(*low, *high);
}

/// The scale that fits the codes best: least squares over the group, weighted.
inline Int4Scale refit(const Int4Scale& s, std::span<const float> w, const float* weight) {
  double along = 0, square = 0;
  for (std::size_t k = 0; k < w.size(); ++k) {
    const double q = double(s.code(w[k])) - double(s.zero);
    along += double(weight[k]) * q * double(w[k]);
    square += double(weight[k]) * q * q;
  }
  Int4Scale better = s;
  if (square > 0 && along > 0) better.half_scale = to_f16(float(along / square));
  return better;
}

/// The best of ranges shrunk at either end, each refitted: what is lost at the ends is won between them.
inline Int4Scale searched_scale(std::span<const float> w, const float* weight) {
  constexpr int kSteps = 8;
  constexpr float kStep = 0.06f;
  Int4Scale best = plain_scale(w);
  if (!(best.scale() > 0)) return best;
  double least = weighted_error(best, w, weight);
  const auto [low, high] = std::minmax_element(w.begin(), w.end());
  const auto consider = [&](const Int4Scale& s) {
    const double error = weighted_error(s, w, weight);
    if (!(s.scale() > 0) || error >= least) return;
    least = error;
    best = s;
  };
  for (int i = 0; i < kSteps; ++i)
    for (int zero = -1; zero <= 1; ++zero) {
      const float shrink = 1 - kStep * float(i);
      Int4Scale s = scale_of_range(*low * shrink, *high * shrink);
      s.zero = std::uint8_t(std::clamp(int(s.zero) + zero, 1, 15));
      consider(s);
      consider(refit(s, w, weight));
    }
  return best;
}

}  // namespace la::inline LA_ABI::detail
