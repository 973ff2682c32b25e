#pragma once

#include "../kernels.hpp"

// The loops round a register tile of integer products, shared by the vector instruction sets.
//
// A panel as it lies in memory, one block for each group of inputs, here 4-bit; every cell is one byte:
//
//   scale[16] zero[16]      column 0               column 1                    column 15
//   q[0]     inputs  | 0,4 | 1,5 | 2,6 | 3,7 || 0,4 | 1,5 | 2,6 | 3,7 || ... | 3,7 |   64 bytes: a cache line
//   q[1]             | 8,12| ...                                                       low nibble, high nibble
//   ...
//   q[G / 8 - 1]
//
// One 32-bit lane holds four inputs of a column (two times four in 4 bits), so that four activations, broadcast to
// all lanes, meet their weights in every lane.
//
// L, the vectors of an instruction set, provides Int and Float of kLanes 32-bit lanes and the operations named below.
namespace la::kernels::LA_KERNELS_NAMESPACE {

inline constexpr i64 kQRowBlock = 240;    // rows whose partial sums stay in L2; a multiple of every tile height
inline constexpr i64 kQPanelGroup = 8;    // panels that share one pass over a block of A
inline constexpr i64 kQDepth = 1024;      // inputs whose 240 rows stay in L2 and whose panel stays in L1
inline constexpr i64 kQFewRows = 16;      // up to here a panel is read in one go
static_assert(kQRowBlock * kQPanelGroup * kPanel <= kGemmScratch);

template <class Block>
struct QTileCall {
  i64 groups;       // of this call; a.groups is the stride between rows
  QuantizedRows a;  // from the call's first row and group on
  const Block* b;
  i64 b_stride;  // between panels of b
  float* c;      // [R][16], panels c_stride apart
  i64 c_stride;
  bool load;  // continue the sums in c, or start from zero

  void skip_rows(i64 rows) noexcept {
    a.q += rows * a.stride;
    a.scale += rows * a.groups;
    a.sum += rows * a.groups;
    c += rows * kPanel;
  }
  void skip_panels(i64 panels) noexcept {
    b += panels * b_stride;
    c += panels * c_stride;
  }
};

/// f(p, v) for every vector of P panels, unrolled.
template <int P, int V, class F>
[[gnu::always_inline]] inline void for_each(F f) noexcept {
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) f(p, v);
}

/// The exact sums of a group in a register tile: sum_k a.q * w.
template <class L, int R, int P>
struct QDots {
  static constexpr int kVectors = kPanel / L::kLanes;
  typename L::Int dot[R][P][kVectors];

  [[gnu::always_inline]] void clear() noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) for_each<P, kVectors>([&](int p, int v) { dot[r][p][v] = L::zeros(); });
  }
};

/// The f32 sums of a register tile.
template <class L, int R, int P>
struct QSums {
  static constexpr int kVectors = kPanel / L::kLanes;
  typename L::Float sum[R][P][kVectors];

  [[gnu::always_inline]] void start(const float* c, i64 c_stride, bool load) noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
      for_each<P, kVectors>([&](int p, int v) {
        sum[r][p][v] = load ? L::load(c + p * c_stride + r * kPanel + v * L::kLanes) : L::splat(0.0f);
      });
  }

  [[gnu::always_inline]] void store(float* c, i64 c_stride) const noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
      for_each<P, kVectors>(
          [&](int p, int v) { L::store(c + p * c_stride + r * kPanel + v * L::kLanes, sum[r][p][v]); });
  }

  /// Weights were multiplied as stored, above their value by the zero point. Its product with the sum of a.q, and the
  /// difference, are integers below 2^24, which f32 holds exactly.
  template <class Block>
  [[gnu::always_inline]] void add_group(const QDots<L, R, P>& dots, const QTileCall<Block>& t, i64 group) noexcept {
    for_each<P, kVectors>([&](int p, int v) {
      const Block& b = t.b[p * t.b_stride + group];
      typename L::Float scale, zero;
      if constexpr (Block::kBits == 8) {
        scale = L::load(b.scale + v * L::kLanes);
        zero = L::splat(float(L::kQ8Zero));
      } else {
        scale = L::load_half(b.scale + v * L::kLanes);
        zero = L::load_bytes(b.zero + v * L::kLanes);
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const i64 at = r * t.a.groups + group;
        typename L::Float exact = L::to_float(dots.dot[r][p][v]);
        if constexpr (Block::kBits == 4 || L::kQ8Zero != 0) exact = L::fnma(L::splat(t.a.sum[at]), zero, exact);
        sum[r][p][v] = L::fma(L::mul(L::splat(t.a.scale[at]), scale), exact, sum[r][p][v]);
      }
    });
  }
};

template <class Micro, int R, class Block>
inline void run_qtile(i64 rows, i64 panels, const QTileCall<Block>& t) noexcept {
  if constexpr (R > 1) {
    if (rows < R) return run_qtile<Micro, R - 1>(rows, panels, t);
  }
  constexpr int wide = Micro::panels(R);
  QTileCall<Block> part = t;
  for (; panels >= wide; panels -= wide, part.skip_panels(wide)) Micro::template tile<R, wide>(part);
  for (; panels > 0; --panels, part.skip_panels(1)) Micro::template tile<R, 1>(part);
}

/// All rows in register tiles of nearly equal height.
template <class Micro, class Block>
inline void run_qrows(i64 rows, i64 panels, const QTileCall<Block>& t) noexcept {
  QTileCall<Block> part = t;
  for (i64 left = rows, tiles = (rows + Micro::kRows - 1) / Micro::kRows; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_qtile<Micro, Micro::kRows>(height, panels, part);
    part.skip_rows(height);
    left -= height;
  }
}

/// Bias, then the old C, onto sums of [panels][rows][16].
inline void finish_q(const QGemm& g, i64 m0, i64 rows, i64 n0, i64 columns) noexcept {
  for (i64 m = 0; m < rows; ++m)
    for (i64 n = 0; n < columns; n += kPanel) {
      float* c = g.c + (m0 + m) * g.ldc + n0 + n;
      const float* s = g.scratch + n * rows + m * kPanel;
      float total[kPanel];
      const i64 width = columns - n < kPanel ? columns - n : kPanel;
      for (i64 j = 0; j < width; ++j) total[j] = g.bias ? s[j] + g.bias[n0 + n + j] : s[j];
      for (i64 j = 0; j < width; ++j) c[j] = g.store == Store::add ? total[j] + c[j] : total[j];
    }
}

template <class Micro, class Block>
void qgemm_blocked(const QGemm& g) noexcept {
  const Block* weights = static_cast<const Block*>(g.panels);
  const i64 depth = g.m <= kQFewRows ? g.a.groups : kQDepth / Block::kGroup;
  for (i64 m0 = 0; m0 < g.m; m0 += kQRowBlock) {
    const i64 rows = g.m - m0 < kQRowBlock ? g.m - m0 : kQRowBlock;
    const i64 sum_stride = rows * kPanel;
    for (i64 n0 = 0; n0 < g.n; n0 += kQPanelGroup * kPanel) {
      const i64 columns = g.n - n0 < kQPanelGroup * kPanel ? g.n - n0 : kQPanelGroup * kPanel;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 g0 = 0; g0 < g.a.groups; g0 += depth) {
        QTileCall<Block> t{};
        t.groups = g.a.groups - g0 < depth ? g.a.groups - g0 : depth;
        t.a = g.a;
        t.a.q += m0 * g.a.stride + g0 * Block::kGroup;
        t.a.scale += m0 * g.a.groups + g0;
        t.a.sum += m0 * g.a.groups + g0;
        t.b = weights + n0 / kPanel * g.a.groups + g0;
        t.b_stride = g.a.groups;
        t.c = g.scratch;
        t.c_stride = sum_stride;
        t.load = g0 > 0;
        constexpr i64 wide = Micro::panels(Micro::kRows);
        const i64 together = g.m <= kQFewRows ? panels : wide;
        for (i64 p = 0; p < panels; p += together, t.skip_panels(together))
          run_qrows<Micro>(rows, panels - p < together ? panels - p : together, t);
      }
      finish_q(g, m0, rows, n0, columns);
    }
  }
}

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
