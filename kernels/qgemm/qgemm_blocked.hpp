#pragma once

#include <concepts>

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
// The loops are BLIS's five, of which the third is the outermost, as in gemm_blocked.hpp.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Block sizes, under BLIS's names. Sums live in L1 and L2 as f32, so NC is smaller than that of gemm.
struct QGemmBlocking {
  static constexpr i64 MC = 132;  ///< rows whose activations and partial sums stay in L2: 11 tiles of 12
  static constexpr i64 NC = 16 * kPanel;  ///< columns that share a slice of the activations: 132 KiB of sums
  static constexpr i64 KC = 1024;  ///< inputs of a slice: a panel of so many fits L1 beside a tile's rows
  /// Bytes between the packed rows of a slice. A cache line more than a power of two, so that rows spread over L1.
  static constexpr i64 kStride = 2 * KC + 64;
  /// Bytes of activations that meet one panel before the next: they stay in L2.
  static constexpr i64 kActivations = MC * kStride;
};

/// Bytes that a panel's first tile prefetches ahead; the others find it in L1. Memory answers in some 100 ns, in which
/// one core reads about 3 KB.
inline constexpr i64 kAhead = 4096;

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
  i64 ahead = kAhead;  // bytes from a weight to the one to prefetch

  void skip_panels(i64 panels) noexcept {
    b += panels * b_stride;
    c += panels * c_stride;
  }
};

/// Vectors of an instruction set: what the integer products share, see lanes_avx2.hpp.
template <class L>
concept VectorLanes = requires(typename L::Int i, typename L::Float f, const void* bits, const float* in,
                               float* out, const std::uint16_t* half, const std::uint8_t* bytes) {
  requires kPanel % L::kLanes == 0;
  requires L::kQ8Zero == 0 || L::kQ8Zero == 128;  // what the product of 8-bit weights adds to them
  { L::load(in) } -> std::same_as<typename L::Float>;
  L::store(out, f);
  { L::splat(1.0f) } -> std::same_as<typename L::Float>;
  { L::mul(f, f) } -> std::same_as<typename L::Float>;
  { L::fma(f, f, f) } -> std::same_as<typename L::Float>;   // a b + c, rounded once
  { L::fnma(f, f, f) } -> std::same_as<typename L::Float>;  // c - a b, rounded once
  { L::to_float(i) } -> std::same_as<typename L::Float>;
  { L::load_half(half) } -> std::same_as<typename L::Float>;    // IEEE halves, widened
  { L::load_bytes(bytes) } -> std::same_as<typename L::Float>;  // unsigned bytes to float
  { L::zeros() } -> std::same_as<typename L::Int>;
  { L::add32(i, i) } -> std::same_as<typename L::Int>;
  { L::settle(i) } -> std::same_as<typename L::Int>;  // the same value, which the compiler may not defer
  { L::load_bits(bits) } -> std::same_as<typename L::Int>;
  { L::splat_four(bits) } -> std::same_as<typename L::Int>;  // four bytes to every 32-bit lane
  { L::low_nibbles(i) } -> std::same_as<typename L::Int>;    // of every byte
  { L::high_nibbles(i) } -> std::same_as<typename L::Int>;
};

/// Lanes with products that add pairs, for qgemm_pairs.hpp.
template <class L>
concept PairProductLanes = VectorLanes<L> && requires(typename L::Int i, void* bits) {
  { L::maddubs(i, i) } -> std::same_as<typename L::Int>;  // u8 s8 pairs to s16, saturating
  { L::madd(i, i) } -> std::same_as<typename L::Int>;     // s16 pairs to s32, exact
  { L::add16(i, i) } -> std::same_as<typename L::Int>;
  { L::ones16() } -> std::same_as<typename L::Int>;
  { L::even_unsigned(i) } -> std::same_as<typename L::Int>;  // bytes to s16
  { L::odd_unsigned(i) } -> std::same_as<typename L::Int>;
  { L::even_signed(i) } -> std::same_as<typename L::Int>;
  { L::odd_signed(i) } -> std::same_as<typename L::Int>;
  L::store_bits(bits, i);
};

/// Lanes with a 4-way dot product, for qgemm_dot.hpp.
template <class L>
concept DotProductLanes = VectorLanes<L> && requires(typename L::Int i) {
  { L::dot(i, i, i) } -> std::same_as<typename L::Int>;  // sum + four products a 32-bit lane
  { L::dot_bytes(i) } -> std::same_as<typename L::Int>;  // 8-bit weights as dot wants them
};

/// What the loops need of a register tile.
///   MR<Block>                    its rows, at most
///   NR(rows)                     its columns, when it has so many rows: a multiple of kPanel
///   repacks<Block>()             whether it reads activations in an order of its own, and then
///   pack<Block>(q, count, out)   makes it, two bytes an activation
///   tile<R, P, Block>(call)      c[P][R][16] += the product over one slice, see QTileCall
template <class T, class Block>
concept IntegerMicro = requires(const QTileCall<Block>& call) {
  requires T::template MR<Block> >= 1;
  requires T::NR(1)
  % kPanel == 0 && T::NR(T::template MR<Block>) % kPanel == 0;
  requires std::same_as<decltype(T::template repacks<Block>()), bool>;
  { T::template tile<T::template MR<Block>, T::NR(T::template MR<Block>) / kPanel>(call) }
  noexcept;
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
template <VectorLanes L, int R, int P>
struct QDots {
  static constexpr int kVectors = kPanel / L::kLanes;
  static_assert(R <= 16 && P <= 4 && kVectors <= 4, "the loops are unrolled so far");
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

/// Loop 2 (jr): tiles of R rows side by side.
template <class Micro, int R, class Block>
inline void run_qtile(i64 rows, i64 panels, const QTileCall<Block>& t) noexcept {
  if constexpr (R > 1) {
    if (rows < R) return run_qtile<Micro, R - 1>(rows, panels, t);
  }
  constexpr int wide = Micro::NR(R) / kPanel;
  QTileCall<Block> part = t;
  for (; panels >= wide; panels -= wide, part.skip_panels(wide)) Micro::template tile<R, wide>(part);
  for (; panels > 0; --panels, part.skip_panels(1)) Micro::template tile<R, 1>(part);
}

/// Loop 1 (ir): all rows in register tiles of nearly equal height.
template <class Micro, class Block>
inline void run_qrows(i64 rows, i64 panels, QTileCall<Block> t) noexcept {
  constexpr int MR = Micro::template MR<Block>;
  for (i64 left = rows, tiles = (rows + MR - 1) / MR; tiles > 0; --tiles) {
    const i64 height = (left + tiles - 1) / tiles;
    run_qtile<Micro, MR>(height, panels, t);
    t.a += height * t.a_stride;
    t.a_scale += height * t.a_groups;
    t.a_sum += height * t.a_groups;
    t.c += height * kPanel;
    t.ahead = 0;
    left -= height;
  }
}

/// Rows [rows, k] to slices [ceil(k / KC)][rows][kStride].
template <class Micro, class Block>
inline void pack_qrows(const std::int8_t* q, i64 stride, i64 rows, i64 k, std::int8_t* out) noexcept {
  constexpr i64 KC = QGemmBlocking::KC;
  for (i64 k0 = 0; k0 < k; k0 += KC)
    for (i64 m = 0; m < rows; ++m, out += QGemmBlocking::kStride)
      Micro::template pack<Block>(q + m * stride + k0, k - k0 < KC ? k - k0 : KC, out);
}

template <class Micro, class Block>
requires IntegerMicro<Micro, Block>
void qgemm_blocked(const QGemm& g) noexcept {
  using B = QGemmBlocking;
  constexpr bool repacks = Micro::template repacks<Block>();
  constexpr i64 slice_groups = B::KC / Block::kGroup;
  constexpr int MR = Micro::template MR<Block>;
  static_assert(B::MC * B::NC + B::kActivations / i64(sizeof(float)) <= kGemmScratch);
  float* sums = g.scratch;
  std::int8_t* packed = reinterpret_cast<std::int8_t*>(sums + B::MC * B::NC);
  const i64 blocks = (g.m + B::MC - 1) / B::MC;
  for (i64 block = 0; block < blocks; ++block) {  // loop 3 (ic): MC rows
    const i64 m0 = g.m * block / blocks, rows = g.m * (block + 1) / blocks - m0;
    // The fewer the rows, the more of their depth fits L2 (or the scratch): weights are then read in longer runs.
    const i64 step = rows == 1 && !repacks ? g.a.groups : slice_groups;
    const i64 depth = B::kActivations / (rows * (repacks ? B::kStride : B::KC)) * step;
    const i64 wide = Micro::NR(rows < MR ? int(rows) : MR) / kPanel;
    i64 packed_from = -1;                      // few rows are packed whole, once for all columns
    for (i64 n0 = 0; n0 < g.n; n0 += B::NC) {  // loop 5 (jc): NC columns
      const i64 columns = g.n - n0 < B::NC ? g.n - n0 : B::NC;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 i = 0; i < panels * rows * kPanel; ++i) sums[i] = 0;
      for (i64 g0 = 0; g0 < g.a.groups; g0 += depth) {  // what stays in L2, or is packed, of the activations
        const i64 g_end = g.a.groups - g0 < depth ? g.a.groups : g0 + depth;
        const std::int8_t* q = g.a.q + m0 * g.a.stride + g0 * Block::kGroup;
        if constexpr (repacks) {
          if (packed_from != g0)
            pack_qrows<Micro, Block>(q, g.a.stride, rows, (g_end - g0) * Block::kGroup, packed);
          packed_from = g0;
        }
        for (i64 p = 0; p < panels; p += wide)         // loop 2 (jr): NR columns
          for (i64 g1 = g0; g1 < g_end; g1 += step) {  // loop 4 (pc): KC inputs
            const i64 at = m0 * g.a.groups + g1;
            const QTileCall<Block> t{
                .groups = g_end - g1 < step ? g_end - g1 : step,
                .a = repacks ? packed + (g1 - g0) / step * rows * B::kStride : q + (g1 - g0) * Block::kGroup,
                .a_stride = repacks ? B::kStride : g.a.stride,
                .a_scale = g.a.scale + at,
                .a_sum = g.a.sum + at,
                .a_groups = g.a.groups,
                .b = static_cast<const Block*>(g.panels) + (n0 / kPanel + p) * g.a.groups + g1,
                .b_stride = g.a.groups,
                .c = sums + p * rows * kPanel,
                .c_stride = rows * kPanel};
            run_qrows<Micro>(rows, panels - p < wide ? panels - p : wide, t);
          }
      }
      finish_block(sums, rows, columns, g.bias ? g.bias + n0 : nullptr, g.store, g.c + m0 * g.ldc + n0,
                   g.ldc);
    }
  }
}

/// The integer products of every format on one register tile.
template <class Micro>
void fill_qgemm(Table& t) noexcept {
  t.qgemm[PanelFormat::q8] = qgemm_blocked<Micro, Q8Block>;
  t.qgemm[PanelFormat::q4_g128] = qgemm_blocked<Micro, Q4Block<128>>;
  t.qgemm[PanelFormat::q4_g32] = qgemm_blocked<Micro, Q4Block<32>>;
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
