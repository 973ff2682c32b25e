#pragma once

#include "../kernels.hpp"

// The loops round a register tile, shared by the vector instruction sets. LA_KERNELS_NAMESPACE is the including
// instruction set's name, so that no function here is shared between files with different compiler flags.
//
// Micro provides:
//   kRows                              most rows of a register tile
//   panels(rows)                       how many panels a tile of so many rows takes side by side
//   tile<R, P>(k, a, lda, b, panel_stride, c, ldc, load)
//                                      c[P][R][16] (+)= a[R, k] b[P][k][16]; panels of b and c lie panel_stride
//                                      and c_stride apart
//   widen(b, count, out)               count weights to float
namespace la::kernels::LA_KERNELS_NAMESPACE {

inline constexpr i64 kRowBlock = 240;    // rows whose partial sums stay in L2; a multiple of every tile height
inline constexpr i64 kPanelGroup = 8;    // panels that share one pass over a block of A
inline constexpr i64 kDepthBlock = 256;  // one expanded panel of this depth fits L1 beside its rows of A
inline constexpr i64 kFewRows = 16;      // up to here weights are read once from memory and expanded in registers

template <class W>
struct TileCall {
  i64 k;
  const float* a;
  i64 lda;
  const W* b;
  i64 b_stride;  // between panels of b
  float* c;
  i64 ldc;
  i64 c_stride;  // between panels of c
  bool load;     // continue the sums in c, or start from zero
};

template <class Micro, int R, class W>
inline void run_tile(i64 rows, i64 panels, const TileCall<W>& t) noexcept {
  if constexpr (R > 1) {
    if (rows < R) return run_tile<Micro, R - 1>(rows, panels, t);
  }
  constexpr int wide = Micro::panels(R);
  TileCall<W> part = t;
  for (; panels >= wide; panels -= wide, part.b += wide * t.b_stride, part.c += wide * t.c_stride)
    Micro::template tile<R, wide>(part);
  for (; panels > 0; --panels, part.b += t.b_stride, part.c += t.c_stride) Micro::template tile<R, 1>(part);
}

/// All rows in register tiles of nearly equal height.
template <class Micro, class W>
inline void run_rows(i64 rows, i64 panels, const TileCall<W>& t) noexcept {
  TileCall<W> part = t;
  for (i64 left = rows, tiles = (rows + Micro::kRows - 1) / Micro::kRows; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_tile<Micro, Micro::kRows>(height, panels, part);
    part.a += height * t.lda;
    part.c += height * t.ldc;
    left -= height;
  }
}

inline void finish(const Gemm& g, i64 m0, i64 rows, i64 n0, i64 columns, const float* sums, i64 sum_stride) noexcept {
  for (i64 n = 0; n < columns; n += kPanel, sums += sum_stride) {
    const i64 width = columns - n < kPanel ? columns - n : kPanel;
    float bias[kPanel] = {};
    if (g.bias)
      for (i64 j = 0; j < width; ++j) bias[j] = g.bias[n0 + n + j];
    for (i64 m = 0; m < rows; ++m) {
      float* c = g.c + (m0 + m) * g.ldc + n0 + n;
      const float* s = sums + m * kPanel;
      if (g.store == Store::add)
        for (i64 j = 0; j < width; ++j) c[j] = (s[j] + bias[j]) + c[j];
      else
        for (i64 j = 0; j < width; ++j) c[j] = s[j] + bias[j];
    }
  }
}

template <class Micro, class W>
void gemm_blocked(const Gemm& g) noexcept {
  const W* weights = static_cast<const W*>(g.panels);
  const bool few = g.m <= kFewRows;
  const i64 depth = few ? g.k : kDepthBlock;
  float* sums = g.scratch;
  float* expanded = g.scratch + kRowBlock * kPanelGroup * kPanel;
  for (i64 m0 = 0; m0 < g.m; m0 += kRowBlock) {
    const i64 rows = g.m - m0 < kRowBlock ? g.m - m0 : kRowBlock;
    const i64 sum_stride = rows * kPanel;
    for (i64 n0 = 0; n0 < g.n; n0 += kPanelGroup * kPanel) {
      const i64 columns = g.n - n0 < kPanelGroup * kPanel ? g.n - n0 : kPanelGroup * kPanel;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 k0 = 0; k0 < g.k || k0 == 0; k0 += depth) {
        const i64 k = g.k - k0 < depth ? g.k - k0 : depth;
        const float* a = g.a + m0 * g.lda + k0;
        const W* b = weights + n0 * g.k + k0 * kPanel;
        if (few) {
          run_rows<Micro>(rows, panels, TileCall<W>{k, a, g.lda, b, g.k * kPanel, sums, kPanel, sum_stride, k0 > 0});
          continue;
        }
        constexpr i64 wide = Micro::panels(Micro::kRows);
        for (i64 p = 0; p < panels; p += wide) {
          const i64 now = panels - p < wide ? panels - p : wide;
          TileCall<float> t{k, a, g.lda, nullptr, g.k * kPanel, sums + p * sum_stride, kPanel, sum_stride, k0 > 0};
          if constexpr (sizeof(W) == sizeof(float)) {
            t.b = b + p * t.b_stride;
          } else {
            for (i64 q = 0; q < now; ++q)
              Micro::widen(b + (p + q) * t.b_stride, k * kPanel, expanded + q * kDepthBlock * kPanel);
            t.b = expanded;
            t.b_stride = kDepthBlock * kPanel;
          }
          run_rows<Micro>(rows, now, t);
        }
      }
      finish(g, m0, rows, n0, columns, sums, sum_stride);
    }
  }
}

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
