#pragma once

#include <concepts>

#include "../common/dequantize.hpp"
#include "../common/finish.hpp"
#include "../kernels.hpp"

// The loops around a register tile of f32 products, shared by the vector instruction sets: BLIS's five, of which the
// third is the outermost here, so that rows of A are packed for all columns that share them. LA_KERNELS_NAMESPACE is
// the including instruction set's name, so that no function here is shared between files with different compiler
// flags. Integer blocks are always expanded, KC inputs at a time, and then are f32 panels.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Up to so many rows, bf16 weights are expanded in registers, see the measurements in kernels/README.md.
inline constexpr i64 kFewRows = 48;

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
    static_assert(GemmBlocking::KC % W::kGroup == 0);
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

/// What the loops need of a register tile.
///   MR                    its rows, at most
///   NR(rows)              its columns, when it has so many rows: a multiple of kPanel, at most GemmBlocking::kMaxNR
///   tile<R, P>(call)      c[P][R][16] (+)= a[R, k] b[P][k][16], see TileCall; a[k] times b[k] in order of k
///   widen(b, count, out)  count bf16 weights to float
template <class T>
concept FloatMicro = requires(const TileCall<float>& f32, const TileCall<std::uint16_t>& bf16,
                              const std::uint16_t* b, i64 count, float* out) {
  requires std::same_as<decltype(T::MR), const int>;
  requires T::MR >= 1 && GemmBlocking::MC % T::MR == 0;
  requires T::NR(1)
  % kPanel == 0 && T::NR(1) <= GemmBlocking::kMaxNR;
  requires T::NR(T::MR)
  % kPanel == 0 && T::NR(T::MR) <= GemmBlocking::kMaxNR;
  { T::template tile<T::MR, T::NR(T::MR) / kPanel>(f32) }
  noexcept;
  { T::template tile<1, 1>(bf16) }
  noexcept;
  { T::widen(b, count, out) }
  noexcept;
};

/// Loop 2 (jr): tiles of R rows side by side.
template <class Micro, int R, class W>
inline void run_tile(i64 rows, i64 panels, const TileCall<W>& t) noexcept {
  if constexpr (R > 1) {
    if (rows < R) return run_tile<Micro, R - 1>(rows, panels, t);
  }
  constexpr int wide = Micro::NR(R) / kPanel;
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

/// Loop 1 (ir): all rows in register tiles of nearly equal height. Together they prefetch `ahead_bytes` of each panel of ahead.
template <class Micro, class W>
inline void run_rows(i64 rows, i64 panels, const TileCall<W>& t, i64 ahead_bytes) noexcept {
  TileCall<W> part = t;
  i64 tiles = (rows + Micro::MR - 1) / Micro::MR;
  const i64 steps = tiles * (t.k > 0 ? t.k : 1);
  part.ahead_step = (ahead_bytes + steps - 1) / steps;
  for (i64 left = rows; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_tile<Micro, Micro::MR>(height, panels, part);
    part.a += height * t.lda;
    part.c += height * t.ldc;
    part.ahead += t.k * part.ahead_step;
    left -= height;
  }
}

/// Copies a[rows, k] to slices [ceil(k / KC)][rows][KC]: rows a power of two apart would share cache sets.
inline void pack_rows(const float* a, i64 lda, i64 rows, i64 k, float* out) noexcept {
  constexpr i64 KC = GemmBlocking::KC;
  for (i64 k0 = 0; k0 < k; k0 += KC)
    for (i64 m = 0; m < rows; ++m, out += KC) {
      const i64 count = k - k0 < KC ? k - k0 : KC;
      __builtin_memcpy(out, a + m * lda + k0, std::size_t(count) * sizeof(float));
    }
}

template <FloatMicro Micro, class W>
void gemm_blocked(const Gemm& g) noexcept {
  constexpr i64 MC = GemmBlocking::MC, NC = GemmBlocking::NC, KC = GemmBlocking::KC, MR = Micro::MR;
  const W* weights = static_cast<const W*>(g.panels);
  float* sums = g.scratch;
  float* packed = sums + MC * NC;
  float* expanded = packed + MC * KC;
  const i64 panel = panel_extent<W>(g.k);
  // Blocks of nearly equal height, in whole tiles.
  const i64 blocks = (g.m + MC - 1) / MC;
  const i64 tiles = blocks > 0 ? (g.m + blocks * MR - 1) / (blocks * MR) : 0;
  const i64 height = tiles * MR;
  for (i64 m0 = 0; m0 < g.m; m0 += height) {  // loop 3 (ic): MC rows
    const i64 rows = g.m - m0 < height ? g.m - m0 : height;
    const bool few = rows <= kFewRows && !kIsBlock<W>;
    // Few rows leave room to pack more of their inputs, so that weights are read in longer runs.
    const i64 depth = MC / rows * KC;
    const i64 wide = Micro::NR(rows < MR ? int(rows) : MR) / kPanel;
    for (i64 n0 = 0; n0 < g.n; n0 += NC) {  // loop 5 (jc): NC columns
      const i64 columns = g.n - n0 < NC ? g.n - n0 : NC;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 k0 = 0; k0 < g.k || k0 == 0; k0 += depth) {  // what is packed of A
        const i64 k = g.k - k0 < depth ? g.k - k0 : depth;
        const float* a = g.a + m0 * g.lda + k0;
        if (rows > 1) pack_rows(a, g.lda, rows, k, packed);
        for (i64 p = 0; p < panels; p += wide) {  // loop 2 (jr): NR columns
          const i64 now = panels - p < wide ? panels - p : wide;
          const W* b = weights + (n0 / kPanel + p) * panel + panel_extent<W>(k0);
          for (i64 k1 = 0; k1 < k || k1 == 0; k1 += KC) {  // loop 4 (pc): KC inputs
            const i64 step = k - k1 < KC ? k - k1 : KC;
            const W* now_b = b + panel_extent<W>(k1);
            const W* next_b = k1 + KC < k ? now_b + panel_extent<W>(KC) : b + wide * panel;
            const i64 ahead_bytes = panel_extent<W>(step) * i64(sizeof(W));
            const TileCall<W> t{.k = step,
                                .a = rows > 1 ? packed + k1 * rows : a + k1,
                                .lda = KC,
                                .b = now_b,
                                .b_stride = panel,
                                .c = sums + p * rows * kPanel,
                                .ldc = kPanel,
                                .c_stride = rows * kPanel,
                                .load = k0 + k1 > 0,
                                .ahead = reinterpret_cast<const char*>(next_b),
                                .ahead_stride = panel * i64(sizeof(W))};
            if constexpr (sizeof(W) != sizeof(float)) {
              if (!few) {
                for (i64 q = 0; q < now; ++q) {
                  float* to = expanded + q * KC * kPanel;
                  if constexpr (kIsBlock<W>)
                    dequantize(now_b + q * panel, step, to);
                  else
                    Micro::widen(now_b + q * panel, step * kPanel, to);
                }
                run_rows<Micro>(rows, now,
                                TileCall<float>{.k = step,
                                                .a = t.a,
                                                .lda = t.lda,
                                                .b = expanded,
                                                .b_stride = KC * kPanel,
                                                .c = t.c,
                                                .ldc = t.ldc,
                                                .c_stride = t.c_stride,
                                                .load = t.load,
                                                .ahead = t.ahead,
                                                .ahead_stride = t.ahead_stride},
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

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
