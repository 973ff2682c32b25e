#pragma once

#include <math.h>

#include "../gemm/gemm_scalar.hpp"
#include "../kernels.hpp"

// The references of the products with integer weights.
namespace la::kernels::scalar {

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

template <class Block>
void gemm_dequantized_scalar(const Gemm& g) noexcept {
  const i64 groups = (g.k + Block::kGroup - 1) / Block::kGroup;
  for (i64 n = 0; n < g.n; ++n) {
    const Block* panel = static_cast<const Block*>(g.panels) + n / kPanel * groups;
    const int column = int(n % kPanel);
    for (i64 m = 0; m < g.m; ++m) {
      double sum = 0;
      for (i64 k = 0; k < g.k; ++k) {
        const Block& b = panel[k / Block::kGroup];
        const float w = scale_of(b, column) * float(weight_of(b, k % Block::kGroup, column));
        sum += double(g.a[m * g.lda + k]) * double(w);
      }
      float& c = g.c[m * g.ldc + n];
      c = float(sum + (g.bias ? g.bias[n] : 0.0f) + (g.store == Store::add ? c : 0.0f));
    }
  }
}

template <class Block>
void qgemm_scalar(const QGemm& g) noexcept {
  for (i64 n = 0; n < g.n; ++n) {
    const Block* panel = static_cast<const Block*>(g.panels) + n / kPanel * g.a.groups;
    const int column = int(n % kPanel);
    for (i64 m = 0; m < g.m; ++m) {
      float sum = 0;
      for (i64 group = 0; group < g.a.groups; ++group) {
        const std::int8_t* q = g.a.q + m * g.a.stride + group * Block::kGroup;
        int dot = 0;
        for (i64 k = 0; k < Block::kGroup; ++k) dot += q[k] * weight_of(panel[group], k, column);
        const float scale = g.a.scale[m * g.a.groups + group] * scale_of(panel[group], column);
        sum = fmaf(scale, float(dot), sum);
      }
      float& c = g.c[m * g.ldc + n];
      const float biased = sum + (g.bias ? g.bias[n] : 0.0f);
      c = g.store == Store::add ? biased + c : biased;
    }
  }
}

}  // namespace la::kernels::scalar
