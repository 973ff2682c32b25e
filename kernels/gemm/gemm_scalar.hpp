#pragma once

#include "../common/block_scalar.hpp"

// The references of the f32 products, by weight format.
namespace la::inline LA_ABI::kernels::scalar {

inline float widen(float x) {
  return x;
}

inline float widen(std::uint16_t bf16_bits) {
  const std::uint32_t u = std::uint32_t(bf16_bits) << 16;
  float x;
  __builtin_memcpy(&x, &u, sizeof x);
  return x;
}

template <class W>
void gemm_scalar(const Gemm& g) noexcept {
  for (i64 n0 = 0; n0 < g.n; n0 += kPanel) {
    const W* panel = static_cast<const W*>(g.panels) + n0 * g.k;
    const i64 width = g.n - n0 < kPanel ? g.n - n0 : kPanel;
    for (i64 m = 0; m < g.m; ++m) {
      double sum[kPanel] = {};
      for (i64 k = 0; k < g.k; ++k)
        for (int j = 0; j < kPanel; ++j)
          sum[j] += double(g.a[m * g.lda + k]) * double(widen(panel[k * kPanel + j]));
      for (i64 j = 0; j < width; ++j) {
        float& c = g.c[m * g.ldc + n0 + j];
        c = float(sum[j] + (g.bias ? g.bias[n0 + j] : 0.0f) + (g.store == Store::add ? c : 0.0f));
      }
    }
  }
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

}  // namespace la::inline LA_ABI::kernels::scalar
