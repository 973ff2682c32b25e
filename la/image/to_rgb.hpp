#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// One channel of a pixel of opacity `alpha` over white: c*a/255 + 255 - a, rounded.
constexpr std::uint8_t blend_on_white(std::uint8_t channel, std::uint8_t alpha) noexcept {
  const unsigned t = unsigned{channel} * alpha + 255u * (255u - alpha) + 128u;
  return std::uint8_t(((t >> 8) + t) >> 8);
}

namespace detail {

/// samples: [pixels][channels] with channels 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA; rgb: [pixels][3]
inline void samples_to_rgb(const std::uint8_t* samples, int channels, std::span<std::uint8_t> rgb) {
  const bool grey = channels <= 2, has_alpha = channels == 2 || channels == 4;
  for (std::size_t i = 0; i < rgb.size(); i += 3, samples += channels)
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t value = samples[grey ? 0 : c];
      rgb[i + c] = has_alpha ? blend_on_white(value, samples[channels - 1]) : value;
    }
}

/// RGBA whose colours were multiplied by their alpha, in place: min(255, 255*c/a), truncated, as PIL does it.
inline void unpremultiply(std::span<std::uint8_t> rgba) noexcept {
  for (std::size_t i = 0; i + 4 <= rgba.size(); i += 4) {
    const unsigned alpha = rgba[i + 3];
    if (alpha == 0) continue;
    for (std::size_t c = i; c < i + 3; ++c) rgba[c] = std::uint8_t(std::min(255u, 255u * rgba[c] / alpha));
  }
}

/// CMYK, 255 full ink, to RGB as PIL does it: (255 - k) - round(c * (255 - k) / 255)
inline void cmyk_to_rgb(const std::uint8_t* cmyk, std::span<std::uint8_t> rgb) noexcept {
  for (std::size_t i = 0; i < rgb.size(); i += 3, cmyk += 4)
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned light = 255u - cmyk[3], t = cmyk[c] * light + 128u;
      rgb[i + c] = std::uint8_t(light - (((t >> 8) + t) >> 8));
    }
}

}  // namespace detail
}  // namespace la::inline LA_ABI
