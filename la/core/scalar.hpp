#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// bfloat16: the upper half of an IEEE binary32.
struct bf16 {
  std::uint16_t bits;
};

/// IEEE binary16, as stored in checkpoints.
struct f16 {
  std::uint16_t bits;
};

inline float to_float(float x) noexcept {
  return x;
}

inline float to_float(bf16 x) noexcept {
  return std::bit_cast<float>(std::uint32_t{x.bits} << 16);
}

/// Exact for every f16, subnormals, infinities and NaN included.
inline float to_float(f16 h) noexcept {
  const std::uint32_t sign = std::uint32_t(h.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (h.bits >> 10) & 0x1fu, mantissa = h.bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = float(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

/// Round to nearest, ties to even; NaN stays NaN.
inline bf16 to_bf16(float x) noexcept {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {std::uint16_t((u >> 16) | 0x40u)};
  return {std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

/// Round to nearest, ties to even; overflow becomes infinity, NaN stays NaN.
inline f16 to_f16(float x) noexcept {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(x);
  const std::uint16_t sign = std::uint16_t((u >> 16) & 0x8000u);
  const std::uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {std::uint16_t(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {std::uint16_t(sign | 0x7c00u)};  // 65520 and above
  if (magnitude < 0x38800000u) {                                         // below 2^-14: subnormal
    const float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;      // exact: a power of two
    std::uint32_t whole = std::uint32_t(scaled);
    const float rest = scaled - float(whole);
    if (rest > 0.5f || (rest == 0.5f && (whole & 1u))) ++whole;
    return {std::uint16_t(sign | whole)};
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return {std::uint16_t(sign | ((rounded - 0x38000000u) >> 13))};
}

}  // namespace la::inline LA_ABI
