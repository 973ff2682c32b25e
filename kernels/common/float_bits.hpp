#pragma once

#include <stdint.h>

#include "../abi.hpp"

// What kind of number a float is, read from its bits: under -ffast-math compilers take isnan() and x != x for false.
// Always inlined, so that no instruction set's copy is kept for another's.
namespace la::inline LA_ABI {

[[gnu::always_inline]] inline uint32_t bits_of(float value) noexcept {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

[[gnu::always_inline]] inline uint64_t bits_of(double value) noexcept {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

[[gnu::always_inline]] inline bool is_finite(float value) noexcept {
  return (bits_of(value) & 0x7fffffffu) < 0x7f800000u;
}
[[gnu::always_inline]] inline bool is_finite(double value) noexcept {
  return (bits_of(value) & 0x7fffffffffffffffu) < 0x7ff0000000000000u;
}

[[gnu::always_inline]] inline bool is_nan(float value) noexcept {
  return (bits_of(value) & 0x7fffffffu) > 0x7f800000u;
}
[[gnu::always_inline]] inline bool is_nan(double value) noexcept {
  return (bits_of(value) & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}

[[gnu::always_inline]] inline float float_of_bits(uint32_t bits) noexcept {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace la::inline LA_ABI
