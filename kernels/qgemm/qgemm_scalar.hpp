#pragma once

#include <math.h>

#include "../common/block_scalar.hpp"

// The reference of the integer products.
namespace la::inline LA_ABI::kernels::scalar {

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

}  // namespace la::inline LA_ABI::kernels::scalar
