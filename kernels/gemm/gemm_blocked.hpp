#pragma once

#include "../kernels.hpp"
#include "../qgemm/dequantize.hpp"
#include "../common/finish.hpp"

// The loops around a register tile, shared by the vector instruction sets. LA_KERNELS_NAMESPACE is the including
// instruction set's name, so that no function here is shared between files with different compiler flags.
//
// Micro provides:
//   kRows                  most rows of a register tile
//   panels(rows)           how many panels a tile of so many rows takes side by side, at most 4
//   tile<R, P>(call)       c[P][R][16] (+)= a[R, k] b[P][k][16], see TileCall; a[k] times b[k] in order of k
//   widen(b, count, out)   count bf16 weights to float
// Integer blocks are always expanded, a depth block at a time, and then are f32 panels.
namespace la::kernels::LA_KERNELS_NAMESPACE {

inline constexpr i64 kRowBlock = kGemmRowBlock;      // rows whose packed A and partial sums stay in L2
inline constexpr i64 kPanelGroup = kGemmPanelGroup;  // panels that share one packing of A
inline constexpr i64 kDepth = kGemmDepth;            // a panel of this depth fits L1 beside its rows of A
inline constexpr i64 kFewRows = 48;                  // up to here bf16 weights are expanded in registers

template <class W>
inline constexpr bool kIsBlock = false;
template <>
inline constexpr bool kIsBlock<Q8Block> = true;
template <int G>
inline constexpr bool kIsBlock<Q4Block<G>> = true;

/// Elements of type W that k inputs of a panel take.
template <class W>
inline i64 panel_extent(i64 k) noexcept {
  if constexpr (kIsBlock<W>) {
    static_assert(kDepth % W::kGroup == 0);
    return (k + W::kGroup - 1) / W::kGroup;
  } else {
    return k * kPanel;
  }
}

/// One register tile, and what it asks of memory meanwhile: for each of its panels it prefetches `ahead_step` bytes
/// a step from `ahead` on.
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
  const char* ahead = nullptr;
  i64 ahead_stride = 0;  // bytes between panels of ahead
  i64 ahead_step = 0;
};

template <class Micro, int R, class W>
inline void run_tile(i64 rows, i64 panels, const TileCall<W>& t) noexcept {
  if constexpr (R > 1) {
    if (rows < R) return run_tile<Micro, R - 1>(rows, panels, t);
  }
  constexpr int wide = Micro::panels(R);
  TileCall<W> part = t;
  for (i64 p = 0; p < panels;) {
    const bool full = panels - p >= wide;
    full ? Micro::template tile<R, wide>(part) : Micro::template tile<R, 1>(part);
    const i64 done = full ? wide : 1;
    p += done;
    part.b += done * t.b_stride;
    part.c += done * t.c_stride;
    part.ahead += done * t.ahead_stride;
  }
}

/// All rows in register tiles of nearly equal height. Together they prefetch `ahead_bytes` of each panel of ahead.
template <class Micro, class W>
inline void run_rows(i64 rows, i64 panels, const TileCall<W>& t, i64 ahead_bytes) noexcept {
  TileCall<W> part = t;
  i64 tiles = (rows + Micro::kRows - 1) / Micro::kRows;
  const i64 steps = tiles * (t.k > 0 ? t.k : 1);
  part.ahead_step = (ahead_bytes + steps - 1) / steps;
  for (i64 left = rows; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_tile<Micro, Micro::kRows>(height, panels, part);
    part.a += height * t.lda;
    part.c += height * t.ldc;
    part.ahead += t.k * part.ahead_step;
    left -= height;
  }
}

/// Copies a[rows, k] to slices [ceil(k / kDepth)][rows][kDepth]: rows a power of two apart would share cache sets.
inline void pack_rows(const float* a, i64 lda, i64 rows, i64 k, float* out) noexcept {
  for (i64 k0 = 0; k0 < k; k0 += kDepth)
    for (i64 m = 0; m < rows; ++m, out += kDepth) {
      const i64 count = k - k0 < kDepth ? k - k0 : kDepth;
      __builtin_memcpy(out, a + m * lda + k0, std::size_t(count) * sizeof(float));
    }
}

template <class Micro, class W>
void gemm_blocked(const Gemm& g) noexcept {
  static_assert(kRowBlock % Micro::kRows == 0);
  const W* weights = static_cast<const W*>(g.panels);
  float* sums = g.scratch;
  float* packed = sums + kRowBlock * kPanelGroup * kPanel;
  float* expanded = packed + kRowBlock * kDepth;
  // Blocks of nearly equal height, in whole tiles.
  const i64 panel = panel_extent<W>(g.k);
  const i64 blocks = (g.m + kRowBlock - 1) / kRowBlock;
  const i64 tiles = blocks > 0 ? (g.m + blocks * Micro::kRows - 1) / (blocks * Micro::kRows) : 0;
  const i64 height = tiles * Micro::kRows;
  for (i64 m0 = 0; m0 < g.m; m0 += height) {
    const i64 rows = g.m - m0 < height ? g.m - m0 : height;
    const bool few = rows <= kFewRows && !kIsBlock<W>;
    // Few rows leave room to pack more of their depth, so that weights are read in longer runs.
    const i64 depth = kRowBlock / rows * kDepth;
    const i64 wide = Micro::panels(rows < Micro::kRows ? int(rows) : Micro::kRows);
    for (i64 n0 = 0; n0 < g.n; n0 += kPanelGroup * kPanel) {
      const i64 columns = g.n - n0 < kPanelGroup * kPanel ? g.n - n0 : kPanelGroup * kPanel;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 k0 = 0; k0 < g.k || k0 == 0; k0 += depth) {
        const i64 k = g.k - k0 < depth ? g.k - k0 : depth;
        const float* a = g.a + m0 * g.lda + k0;
        if (rows > 1) pack_rows(a, g.lda, rows, k, packed);
        for (i64 p = 0; p < panels; p += wide) {
          const i64 now = panels - p < wide ? panels - p : wide;
          const W* b = weights + (n0 / kPanel + p) * panel + panel_extent<W>(k0);
          for (i64 k1 = 0; k1 < k || k1 == 0; k1 += kDepth) {
            const i64 step = k - k1 < kDepth ? k - k1 : kDepth;
            const W* now_b = b + panel_extent<W>(k1);
            const W* next_b = k1 + kDepth < k ? now_b + panel_extent<W>(kDepth) : b + wide * panel;
            TileCall<W> t{step,       rows > 1 ? packed + k1 * rows : a + k1,
                          kDepth,     now_b,
                          panel,      sums + p * rows * kPanel,
                          kPanel,     rows * kPanel,
                          k0 + k1 > 0};
            t.ahead = reinterpret_cast<const char*>(next_b);
            t.ahead_stride = panel * i64(sizeof(W));
            const i64 ahead_bytes = panel_extent<W>(step) * i64(sizeof(W));
            if constexpr (sizeof(W) != sizeof(float)) {
              if (!few) {
                for (i64 q = 0; q < now; ++q) {
                  float* to = expanded + q * kDepth * kPanel;
                  if constexpr (kIsBlock<W>)
                    dequantize(now_b + q * panel, step, to);
                  else
                    Micro::widen(now_b + q * panel, step * kPanel, to);
                }
                run_rows<Micro>(rows, now,
                                TileCall<float>{step, t.a, t.lda, expanded, kDepth * kPanel, t.c, t.ldc,
                                                t.c_stride, t.load, t.ahead, t.ahead_stride},
                                ahead_bytes);
                continue;
              }
            }
            if constexpr (!kIsBlock<W>) run_rows<Micro>(rows, now, t, ahead_bytes);
          }
        }
      }
      finish_block(sums, rows, columns, g.bias ? g.bias + n0 : nullptr, g.store, g.c + m0 * g.ldc + n0,
                   g.ldc);
    }
  }
}

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
