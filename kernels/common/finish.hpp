#pragma once

#include "vector.hpp"

// The last step of every blocked product, float and integer.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// C = (sums + bias) or (sums + bias) + C for a block of rows and columns, whose sums lie as [panels][stride][16].
/// bias and c are those of the block's first column; bias may be null, which adds 0.
inline void finish_block(const float* sums, i64 stride, i64 rows, i64 columns, const float* bias, Store mode,
                         float* c, i64 ldc) noexcept {
  const bool add = mode == Store::add;
  for (i64 m = 0; m < rows; ++m, c += ldc)
    for (i64 n = 0; n < columns; n += kPanel) {
      const float* s = sums + n * stride + m * kPanel;
      if (m + 2 < rows)
        __builtin_prefetch(c + 2 * ldc + n, 1);  // rows lie far apart: no hardware sees this coming
      if (columns - n >= kPanel) {
#pragma GCC unroll 4
        for (i64 j = 0; j < kPanel; j += kLanes) {
          const V total = load(s + j) + (bias ? load(bias + n + j) : V(0.0f));
          store(c + n + j, add ? total + load(c + n + j) : total);
        }
      } else {
        for (i64 j = 0; j < columns - n; ++j) {
          const float total = s[j] + (bias ? bias[n + j] : 0.0f);
          c[n + j] = add ? total + c[n + j] : total;
        }
      }
    }
}

/// The same for [panels][rows][16].
inline void finish_block(const float* sums, i64 rows, i64 columns, const float* bias, Store mode, float* c,
                         i64 ldc) noexcept {
  finish_block(sums, rows, rows, columns, bias, mode, c, ldc);
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
