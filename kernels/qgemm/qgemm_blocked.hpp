#pragma once

#include "../common/finish.hpp"
#include "../kernels.hpp"

// The loops around a register tile of integer products, shared by the vector instruction sets.
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
// A micro kernel, over L, the vectors of an instruction set (see lanes_avx512.hpp), provides:
//   rows<Block>(), panels(rows)      most rows of a register tile, and its panels side by side
//   repacks<Block>()                 whether it reads activations in an order of its own, and then
//   pack<Block>(q, count, out)       makes it, two bytes an activation
//   tile<R, P, Block>(call)          c[P][R][16] += the product over one slice, see QTileCall
namespace la::kernels::LA_KERNELS_NAMESPACE {

inline constexpr i64 kQRows = 132;    // rows of a block, whose activations and partial sums stay in L2
inline constexpr i64 kQPanels = 16;   // panels that share a slice of the activations
inline constexpr i64 kQDepth = 1024;  // inputs of a slice: a panel of this depth fits L1 beside a tile's rows
inline constexpr i64 kQAhead =
    4096;  // bytes that a panel's first tile prefetches ahead; the others find it in L1

/// Bytes between the packed rows of a slice. A cache line more than a power of two, so that rows spread over L1.
inline constexpr i64 kQStride = 2 * kQDepth + 64;
inline constexpr i64 kQActivations =
    kQRows * kQStride;  // bytes that meet one panel before the next: they stay in L2

/// One register tile over one slice.
template <class Block>
struct QTileCall {
  i64 groups;            // of the slice
  const std::int8_t* a;  // rows, a_stride apart
  i64 a_stride;
  const float* a_scale;  // [R, groups], rows a_groups apart
  const float* a_sum;
  i64 a_groups;
  const Block* b;
  i64 b_stride;  // between panels of b
  float* c;      // sums so far, [R][16], panels c_stride apart
  i64 c_stride;
  i64 ahead = kQAhead;  // bytes from a weight to the one to prefetch

  void skip_panels(i64 panels) noexcept {
    b += panels * b_stride;
    c += panels * c_stride;
  }
};

/// Activations are read where they are: for a micro kernel to inherit.
struct InPlace {
  template <class Block>
  static constexpr bool repacks() {
    return false;
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
  typename L::Int dot[std::size_t(P)][std::size_t(kVectors)][std::size_t(R)];

  [[gnu::always_inline]] void clear() noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) for_each<P, kVectors>([&](int p, int v) { dot[p][v][r] = L::zeros(); });
  }

  [[gnu::always_inline]] void add(const QDots& other) noexcept {
    for_each<P, kVectors>([&](int p, int v) {
      for (int r = 0; r < R; ++r) dot[p][v][r] = L::add32(dot[p][v][r], other.dot[p][v][r]);
    });
  }

  /// Into the f32 sums, which stay in L1: in registers they would crowd out the dots of the next group.
  /// Weights were multiplied as stored, above their value by the zero point. Its product with the sum of a.q, and the
  /// difference, are integers below 2^24, which f32 holds exactly.
  template <class Block>
  [[gnu::always_inline]] void add_to_sums(const QTileCall<Block>& t, i64 group) const noexcept {
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
      float* c = t.c + p * t.c_stride + v * L::kLanes;
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r, c += kPanel) {
        const i64 at = r * t.a_groups + group;
        typename L::Float exact = L::to_float(dot[p][v][r]);
        if constexpr (Block::kBits == 4 || L::kQ8Zero != 0)
          exact = L::fnma(L::splat(t.a_sum[at]), zero, exact);
        L::store(c, L::fma(L::mul(L::splat(t.a_scale[at]), scale), exact, L::load(c)));
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
inline void run_qrows(i64 rows, i64 panels, QTileCall<Block> t) noexcept {
  constexpr int most = Micro::template rows<Block>();
  for (i64 left = rows, tiles = (rows + most - 1) / most; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_qtile<Micro, most>(height, panels, t);
    t.a += height * t.a_stride;
    t.a_scale += height * t.a_groups;
    t.a_sum += height * t.a_groups;
    t.c += height * kPanel;
    t.ahead = 0;
    left -= height;
  }
}

/// Rows [rows, k] to slices [ceil(k / kQDepth)][rows][kQStride].
template <class Micro, class Block>
inline void pack_qrows(const std::int8_t* q, i64 stride, i64 rows, i64 k, std::int8_t* out) noexcept {
  for (i64 k0 = 0; k0 < k; k0 += kQDepth)
    for (i64 m = 0; m < rows; ++m, out += kQStride)
      Micro::template pack<Block>(q + m * stride + k0, k - k0 < kQDepth ? k - k0 : kQDepth, out);
}

template <class Micro, class Block>
void qgemm_blocked(const QGemm& g) noexcept {
  constexpr bool repacks = Micro::template repacks<Block>();
  constexpr i64 slice_groups = kQDepth / Block::kGroup;
  static_assert(kQRows * kQPanels * kPanel + kQActivations / i64(sizeof(float)) <= kGemmScratch);
  float* sums = g.scratch;
  std::int8_t* packed = reinterpret_cast<std::int8_t*>(sums + kQRows * kQPanels * kPanel);
  const i64 blocks = (g.m + kQRows - 1) / kQRows;
  for (i64 block = 0; block < blocks; ++block) {
    const i64 m0 = g.m * block / blocks, rows = g.m * (block + 1) / blocks - m0;
    // The fewer the rows, the more of their depth fits L2 (or the scratch): weights are then read in longer runs.
    const i64 step = rows == 1 && !repacks ? g.a.groups : slice_groups;
    const i64 depth = kQActivations / (rows * (repacks ? kQStride : kQDepth)) * step;
    constexpr int most = Micro::template rows<Block>();
    const i64 wide = Micro::panels(rows < most ? int(rows) : most);
    i64 packed_from = -1;  // few rows are packed whole, once for all columns
    for (i64 n0 = 0; n0 < g.n; n0 += kQPanels * kPanel) {
      const i64 columns = g.n - n0 < kQPanels * kPanel ? g.n - n0 : kQPanels * kPanel;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 i = 0; i < panels * rows * kPanel; ++i) sums[i] = 0;
      for (i64 g0 = 0; g0 < g.a.groups; g0 += depth) {
        const i64 g_end = g.a.groups - g0 < depth ? g.a.groups : g0 + depth;
        const std::int8_t* q = g.a.q + m0 * g.a.stride + g0 * Block::kGroup;
        if constexpr (repacks) {
          if (packed_from != g0)
            pack_qrows<Micro, Block>(q, g.a.stride, rows, (g_end - g0) * Block::kGroup, packed);
          packed_from = g0;
        }
        for (i64 p = 0; p < panels; p += wide)
          for (i64 g1 = g0; g1 < g_end; g1 += step) {
            const i64 at = m0 * g.a.groups + g1;
            const QTileCall<Block> t{
                g_end - g1 < step ? g_end - g1 : step,
                repacks ? packed + (g1 - g0) / step * rows * kQStride : q + (g1 - g0) * Block::kGroup,
                repacks ? kQStride : g.a.stride,
                g.a.scale + at,
                g.a.sum + at,
                g.a.groups,
                static_cast<const Block*>(g.panels) + (n0 / kPanel + p) * g.a.groups + g1,
                g.a.groups,
                sums + p * rows * kPanel,
                rows * kPanel};
            run_qrows<Micro>(rows, panels - p < wide ? panels - p : wide, t);
          }
      }
      finish_block(sums, rows, columns, g.bias ? g.bias + n0 : nullptr, g.store, g.c + m0 * g.ldc + n0,
                   g.ldc);
    }
  }
}

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
