#pragma once

#include "../formats.hpp"
#include "vector.hpp"

// Integer blocks expanded to f32 panels, exactly: w = scale * (q - zero), rounded once. This is how the f32 products
// take integer weights.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// IEEE half to float. The magnitude's bits, shifted into place, miss only the difference of the exponent biases, a
/// factor of 2^112, which is exact for subnormals too; infinity and NaN need their exponent filled.
inline void widen_halves(const std::uint16_t* h, float* out) noexcept {
  for (int c = 0; c < 16; ++c) {
    const std::uint32_t magnitude = std::uint32_t(h[c] & 0x7fffu) << 13;
    float x;
    __builtin_memcpy(&x, &magnitude, sizeof x);
    x *= 0x1p112f;
    std::uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof x);
    bits |= magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
    bits |= std::uint32_t(h[c] & 0x8000u) << 16;
    __builtin_memcpy(out + c, &bits, sizeof x);
  }
}

/// Scales and zero points of the 16 columns.
inline void open_block(const Q8Block& b, float* scale, float* zero) noexcept {
  for (int c = 0; c < 16; ++c) scale[c] = b.scale[c], zero[c] = 128.0f;
}

template <int G>
inline void open_block(const Q4Block<G>& b, float* scale, float* zero) noexcept {
  widen_halves(b.scale, scale);
  for (int c = 0; c < 16; ++c) zero[c] = float(b.zero[c]);
}

/// The first k inputs of a panel's blocks to out [k][16].
template <class Block>
inline void dequantize(const Block* b, i64 k, float* out) noexcept {
  using Int = xsimd::batch<std::int32_t>;
  constexpr int per_lane = 32 / Block::kBits;  // inputs of a 32-bit lane
  constexpr int mask = (1 << Block::kBits) - 1;
  for (i64 k0 = 0; k0 < k; k0 += Block::kGroup, ++b) {
    alignas(64) float scale[16], zero[16];
    open_block(*b, scale, zero);
    const i64 count = k - k0 < Block::kGroup ? k - k0 : Block::kGroup;
    for (i64 i = 0; i < count; i += per_lane)
      for (int c = 0; c < 16; c += int(kLanes)) {
        const Int lane = Int::load_unaligned(reinterpret_cast<const std::int32_t*>(b->q[i / per_lane][c]));
        const V s = load(scale + c), z = load(zero + c);
        for (int j = 0; j < per_lane && i + j < count; ++j) {
          // In 4 bits a byte holds inputs j and j + 4.
          const int shift = Block::kBits == 8 ? 8 * j : j < 4 ? 8 * j : 8 * (j - 4) + 4;
          store(out + (k0 + i + j) * 16 + c, (xsimd::to_float((lane >> shift) & Int(mask)) - z) * s);
        }
      }
  }
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
