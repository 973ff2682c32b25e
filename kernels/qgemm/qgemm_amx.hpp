#pragma once

#include "../common/intrinsics_amx.hpp"
#include "qgemm_avx512vnni.hpp"

// Integer products on AMX's tiles of 16 rows x 64 bytes: C[h][16] (32 bits) += A[h][64] B[16][16][4] (8 bits), in h
// cycles. Four inputs of a column lie in four consecutive bytes in B as in the blocks of formats.hpp, so weights need no
// packing of their own: a group of a panel is expanded to signed bytes less their zero points, once for all rows, and is
// then a B. A group of 32 inputs fills half of a tile.
//
// The weights of a group and two panels stay in four tiles while rows pass by. The sums of a group leave the tiles
// through L1 and are scaled there as the vectors of the other sets do it, which takes longer than the tiles' products.
// So the scaling of one tile stands between the products of the next, a part after each: in long runs of either the
// processor does not overlap them, as few tile registers can be in flight.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Block sizes, under BLIS's names, for the caches of the processors with AMX (48 KiB and 2 MiB).
struct AmxBlocking {
  static constexpr i64 MC = 352;  ///< rows, whose activations and sums stay in L2: a prefill in one block
  static constexpr i64 NC = 16 * kPanel;  ///< columns that share a slice of the activations
  static constexpr i64 KC = 512;       ///< inputs: two panels of so many expanded weights (16 KiB) stay in L1
  static constexpr i64 kRowTiles = 8;  ///< tiles of rows whose sums of two panels (16 KiB) stay in L1
  static constexpr i64 kTileSums = 16 * kPanel;
};

/// Fewer rows are faster in vectors, since a panel is expanded once for all of them. Measured on a Granite Rapids with
/// one thread, see benchmarks/results/granite-rapids-2cores-integer.txt: 4 bits in groups of 128 are 1.05 times as fast
/// at 6 rows and 1.5 times at 12; 8 bits and groups of 32 level at 12, 1.3 times as fast at 14.
template <class Block>
inline constexpr i64 kAmxRows = Block::kBits == 4 && Block::kGroup == 128 ? 6 : 13;

/// What tiles read must have been written, and what they write must be read again.
[[gnu::always_inline]] inline void tiles_fence() noexcept {
  asm volatile("" ::: "memory");
}

/// Tiles 0 and 1 are sums of h rows, 2 and 3 activations, 4 to 7 weights.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};

  TileConfig(i64 h, i64 inputs) noexcept {
    for (int t = 0; t < 8; ++t) {
      bytes[t] = std::uint16_t(t == 2 || t == 3 ? inputs : 64);
      rows[t] = std::uint8_t(t < 4 ? h : inputs / 4);
    }
  }
};
static_assert(sizeof(TileConfig) == 64);

/// Inputs of a tile.
template <class Block>
inline constexpr i64 kTileInputs = Block::kGroup < 64 ? Block::kGroup : 64;

/// Each of 16 bytes four times.
inline __m512i four_times(const std::uint8_t* bytes) noexcept {
  const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  const __m512i two = _mm512_or_si512(b, _mm512_slli_epi32(b, 8));
  return _mm512_or_si512(two, _mm512_slli_epi32(two, 16));
}

/// A group of a panel to signed bytes [kGroup / 4][16][4], and its scales to floats.
inline void expand(const Q8Block& b, std::int8_t* q, float* scale) noexcept {
  const __m512i zero = _mm512_set1_epi8(-128);
#pragma GCC unroll 4
  for (int i = 0; i < Q8Block::kGroup / 4; ++i) {
    _mm512_storeu_si512(q + 64 * i, _mm512_xor_si512(_mm512_loadu_si512(b.q[i]), zero));
  }
  Lanes::store(scale, Lanes::load(b.scale));
}

template <int G>
inline void expand(const Q4Block<G>& b, std::int8_t* q, float* scale) noexcept {
  const __m512i zero = four_times(b.zero);
#pragma GCC unroll 4
  for (int i = 0; i < G / 8; ++i) {
    const __m512i bits = _mm512_loadu_si512(b.q[i]);
    _mm512_storeu_si512(q + 128 * i, _mm512_sub_epi8(Lanes::low_nibbles(bits), zero));
    _mm512_storeu_si512(q + 128 * i + 64, _mm512_sub_epi8(Lanes::high_nibbles(bits), zero));
  }
  Lanes::store(scale, Lanes::load_half(b.scale));
}

/// All tiles of rows by up to two panels, over one slice. Rows of sums and a_scale are those of the tiles: the last tile
/// begins earlier than a height after the one before it, so that it is whole, and gives its first rows once more.
struct TilesCall {
  i64 rows, height;      // of all, and of a tile
  i64 groups;            // of the slice
  const std::int8_t* a;  // rows, a_stride apart
  i64 a_stride;
  const float* a_scale;  // [groups][MC]
  const std::int8_t* b;  // expanded weights, panels KC * 16 apart
  const float* scale;    // of the weights, [panels][groups of a slice][16]
  float* sums;           // so far, [panels][MC][16]
  std::int32_t* dots;    // [panels][16][16]
  const char* next[2];   // the weights of the panels that come after, `ahead` bytes of each to be fetched
  i64 ahead;

  const std::int8_t* tile(i64 i) const noexcept {
    return a + (i * height + height <= rows ? i * height : rows - height) * a_stride;
  }
};

/// sums += scales * dots for n rows of a panel; N of them, or 0: n.
template <int N>
[[gnu::always_inline]] inline void add_dots(const std::int32_t* dots, const float* a_scale,
                                            const float* scale, float* sums, i64 n) noexcept {
  const __m512 of_column = Lanes::load(scale);
  const auto row = [&](i64 r) {
    const __m512 exact = Lanes::to_float(Lanes::load_bits(dots + r * kPanel));
    const __m512 of_both = Lanes::mul(Lanes::splat(a_scale[r]), of_column);
    Lanes::store(sums + r * kPanel, Lanes::fma(of_both, exact, Lanes::load(sums + r * kPanel)));
  };
  if constexpr (N > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < N; ++r) row(r);
  } else {
    for (i64 r = 0; r < n; ++r) row(r);
  }
}

/// Loop 1 (ir): all rows in tiles of one height: H, or 0: that of the call.
template <int P, int H, class Block>
inline void run_tiles(const TilesCall& t) noexcept {
  using B = AmxBlocking;
  constexpr i64 inputs = kTileInputs<Block>, panel = B::KC * kPanel, scales = B::KC / Block::kGroup * kPanel;
  constexpr int kSteps = int(Block::kGroup / inputs);
  static_assert(kSteps == 1 || kSteps == 2);
  const i64 height = H > 0 ? H : t.height, a_stride = t.a_stride;
  std::int32_t* const dots = t.dots;
  // What waits in dots: their scales and sums.
  const float *a_scale = nullptr, *scale = nullptr;
  float* sums = nullptr;
  const auto add = [&](int p, int step) {
    tiles_fence();
    if (sums != nullptr) {
      const i64 from = height * step / kSteps, to = height * (step + 1) / kSteps;
      add_dots<H / kSteps>(dots + p * B::kTileSums + from * kPanel, a_scale + from, scale + p * scales,
                           sums + (p * B::MC + from) * kPanel, to - from);
    }
    tiles_fence();
  };
  const i64 tiles = (t.rows + height - 1) / height;
  const i64 ahead = (t.ahead / (tiles * t.groups) + 63) / 64 * 64;
  const char *next0 = t.next[0], *next1 = t.next[1];
  for (i64 block = 0; block < tiles; block += B::kRowTiles)
    for (i64 group = 0; group < t.groups; ++group) {
      const std::int8_t* b = t.b + group * Block::kGroup * kPanel;
      _tile_loadd(4, b, 64);
      if constexpr (kSteps == 2) _tile_loadd(6, b + inputs * kPanel, 64);
      if constexpr (P == 2) _tile_loadd(5, b + panel, 64);
      if constexpr (P == 2 && kSteps == 2) _tile_loadd(7, b + panel + inputs * kPanel, 64);
      const i64 end = tiles - block < B::kRowTiles ? tiles : block + B::kRowTiles;
      for (i64 tile = block; tile < end; ++tile) {
        const std::int8_t* a = t.tile(tile) + group * Block::kGroup;
        _tile_zero(0);
        _tile_loadd(2, a, a_stride);
        _tile_dpbssd(0, 2, 4);
        add(0, 0);
        if constexpr (kSteps == 2) {
          _tile_loadd(3, a + inputs, a_stride);
          _tile_dpbssd(0, 3, 6);
          add(0, 1);
        }
        _tile_stored(0, dots, 64);
        if constexpr (P == 2) {
          _tile_zero(1);
          _tile_dpbssd(1, 2, 5);
          add(1, 0);
          if constexpr (kSteps == 2) {
            _tile_dpbssd(1, 3, 7);
            add(1, 1);
          }
          _tile_stored(1, dots + B::kTileSums, 64);
        }
        for (i64 i = 0; i < ahead; i += 64, next0 += 64, next1 += 64) {
          __builtin_prefetch(next0, 0, 2);
          __builtin_prefetch(next1, 0, 2);
        }
        a_scale = t.a_scale + group * B::MC + tile * height;
        scale = t.scale + group * kPanel;
        sums = t.sums + tile * height * kPanel;
      }
    }
  for (int p = 0; p < P; ++p)
    for (int step = 0; step < kSteps; ++step) add(p, step);
}

template <int P, class Block>
inline void run_tile_rows(const TilesCall& t) noexcept {
  t.height == 16 ? run_tiles<P, 16, Block>(t) : run_tiles<P, 0, Block>(t);
}

template <class Block>
void qgemm_amx(const QGemm& g) noexcept {
  using B = AmxBlocking;
  if (g.m < kAmxRows<Block>) return qgemm_blocked<QMicro, Block>(g);
  constexpr i64 slice = B::KC / Block::kGroup, expanded_panel = B::KC * kPanel, scales_panel = slice * kPanel;
  static_assert(B::MC * (B::NC + slice) + 2 * (expanded_panel / 4 + scales_panel) + 2 * B::kTileSums <=
                kGemmScratch);
  float* sums = g.scratch;
  float* scales = sums + B::MC * B::NC;
  std::int32_t* dots = reinterpret_cast<std::int32_t*>(scales + 2 * scales_panel);
  std::int8_t* expanded = reinterpret_cast<std::int8_t*>(dots + 2 * B::kTileSums);
  float* a_scale = reinterpret_cast<float*>(expanded + 2 * expanded_panel);

  const i64 blocks = (g.m + B::MC - 1) / B::MC, block_rows = g.m / blocks;  // of the smallest block
  const i64 tiles = (block_rows + 15) / 16, height = (block_rows + tiles - 1) / tiles;
  const TileConfig config(height, kTileInputs<Block>);
  tiles_fence();
  _tile_loadconfig(&config);
  for (i64 block = 0; block < blocks; ++block) {  // loop 3 (ic): MC rows
    const i64 m0 = g.m * block / blocks, rows = g.m * (block + 1) / blocks - m0;
    const i64 plain = (rows - 1) / height * height;  // rows before the last tile
    const i64 padded = plain + height;               // rows of all tiles
    for (i64 n0 = 0; n0 < g.n; n0 += B::NC) {        // loop 5 (jc): NC columns
      const i64 columns = g.n - n0 < B::NC ? g.n - n0 : B::NC;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 p = 0; p < panels; ++p)
        for (i64 i = 0; i < padded * kPanel; ++i) sums[p * B::MC * kPanel + i] = 0;
      for (i64 g0 = 0; g0 < g.a.groups; g0 += slice) {  // loop 4 (pc): KC inputs
        const i64 groups = g.a.groups - g0 < slice ? g.a.groups - g0 : slice;
        for (i64 i = 0; i < groups; ++i)
          for (i64 m = 0; m < padded; ++m) {
            const i64 row = m < plain ? m : m - padded + rows;
            a_scale[i * B::MC + m] = g.a.scale[(m0 + row) * g.a.groups + g0 + i];
          }
        for (i64 p = 0; p < panels; p += 2) {  // loop 2 (jr): two panels
          const i64 now = panels - p < 2 ? 1 : 2;
          const Block* b = static_cast<const Block*>(g.panels) + (n0 / kPanel + p) * g.a.groups + g0;
          for (i64 q = 0; q < now; ++q)
            for (i64 i = 0; i < groups; ++i)
              expand(b[q * g.a.groups + i], expanded + q * expanded_panel + i * Block::kGroup * kPanel,
                     scales + q * scales_panel + i * kPanel);
          tiles_fence();
          const Block* next = p + 2 < panels             ? b + 2 * g.a.groups
                              : g0 + groups < g.a.groups ? b - p * g.a.groups + groups
                                                         : b + now * g.a.groups - g0;
          const TilesCall t{
              .rows = rows,
              .height = height,
              .groups = groups,
              .a = g.a.q + m0 * g.a.stride + g0 * Block::kGroup,
              .a_stride = g.a.stride,
              .a_scale = a_scale,
              .b = expanded,
              .scale = scales,
              .sums = sums + p * B::MC * kPanel,
              .dots = dots,
              .next = {reinterpret_cast<const char*>(next), reinterpret_cast<const char*>(next + g.a.groups)},
              .ahead = groups * i64(sizeof(Block))};
          now == 2 ? run_tile_rows<2, Block>(t) : run_tile_rows<1, Block>(t);
        }
      }
      const float* bias = g.bias ? g.bias + n0 : nullptr;
      float* c = g.c + m0 * g.ldc + n0;
      finish_block(sums, B::MC, plain, columns, bias, g.store, c, g.ldc);
      const float* last = sums + (padded - (rows - plain)) * kPanel;
      finish_block(last, B::MC, rows - plain, columns, bias, g.store, c + plain * g.ldc, g.ldc);
    }
  }
  _tile_release();
}

inline void fill_qgemm_amx(Table& t) noexcept {
  t.qgemm[PanelFormat::q8] = qgemm_amx<Q8Block>;
  t.qgemm[PanelFormat::q4_g128] = qgemm_amx<Q4Block<128>>;
  t.qgemm[PanelFormat::q4_g32] = qgemm_amx<Q4Block<32>>;
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
