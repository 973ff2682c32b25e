#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "../core/scalar.hpp"

// Round-to-nearest of one group of weights: what every packer and the reference backend agree on.
namespace la::inline LA_ABI::detail {

/// 8 bits, symmetric: w = scale * (q - 128), q in 1..255.
struct Q8Group {
  float scale = 0;

  explicit Q8Group(std::span<const float> w) {
    float largest = 0;
    for (float x : w) largest = std::max(largest, std::abs(x));
    scale = largest / 127;
  }
  std::uint8_t code(float w) const noexcept {
    if (!(scale > 0)) return 128;
    return std::uint8_t(128 + std::clamp(int(std::nearbyint(w / scale)), -127, 127));
  }
  float value(std::uint8_t q) const noexcept { return scale * float(int(q) - 128); }
};

/// 4 bits with a zero point: w = scale * (q - zero), q in 0..15; the range always includes zero, which stays exact.
struct Q4Group {
  f16 half_scale{0};
  std::uint8_t zero = 0;

  explicit Q4Group(std::span<const float> w) {
    float low = 0, high = 0;
    for (float x : w) {
      low = std::min(low, x);
      high = std::max(high, x);
    }
    half_scale = to_f16((high - low) / 15);
    const float s = scale();
    zero = s > 0 ? std::uint8_t(std::clamp(int(std::nearbyint(-low / s)), 0, 15)) : std::uint8_t{0};
  }
  float scale() const noexcept { return to_float(half_scale); }
  std::uint8_t code(float w) const noexcept {
    const float s = scale();
    if (!(s > 0)) return zero;
    return std::uint8_t(std::clamp(int(std::nearbyint(w / s)) + int(zero), 0, 15));
  }
  float value(std::uint8_t q) const noexcept { return scale() * float(int(q) - int(zero)); }
};

}  // namespace la::inline LA_ABI::detail
