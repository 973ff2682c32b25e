#pragma once

#include "../kernels.hpp"

// What one weight of an integer block is worth, for the references of gemm/ and qgemm/.
namespace la::inline LA_ABI::kernels::scalar {

/// IEEE half to float, exact.
inline float widen_half(std::uint16_t h) {
  const std::uint32_t magnitude = std::uint32_t(h & 0x7fffu) << 13;
  float x;
  __builtin_memcpy(&x, &magnitude, sizeof x);
  x *= 0x1p112f;  // the difference of the exponent biases; exact, subnormals included
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof x);
  if (magnitude >= 0x0f800000u) bits |= 0x7f800000u;  // infinity and NaN
  bits |= std::uint32_t(h & 0x8000u) << 16;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

inline float scale_of(const Q8Block& b, int column) {
  return b.scale[column];
}
template <int G>
float scale_of(const Q4Block<G>& b, int column) {
  return widen_half(b.scale[column]);
}

/// q - zero of input k of a block.
inline int weight_of(const Q8Block& b, i64 k, int column) {
  return b.q[k / 4][column][k % 4] - 128;
}
template <int G>
int weight_of(const Q4Block<G>& b, i64 k, int column) {
  const int both = b.q[k / 8][column][k % 4];
  return (k % 8 < 4 ? both & 15 : both >> 4) - b.zero[column];
}

}  // namespace la::inline LA_ABI::kernels::scalar
