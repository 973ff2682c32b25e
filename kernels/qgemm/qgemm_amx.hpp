#pragma once

#include "../common/intrinsics_amx.hpp"
#include "qgemm_avx512vnni.hpp"

// Integer products on AMX's tiles of 16 rows x 64 bytes: C[h][16] (32 bits) += A[h][64] B[16][16][4] (8 bits), in h
// cycles. Four inputs of a column lie in four consecutive bytes in B as in the blocks of formats.hpp, so weights need no
// packing of their own: a group of a panel is expanded to signed bytes less their zero points, once for all rows, and is
// then a B. A group of 32 inputs fills half of a tile.
//
// The sums of a group leave the tiles through L1 and are scaled there as the vectors of the other sets do it, which
// takes as long as the tiles' products: those of one group and the scaling of the one before run at the same time.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Block sizes, under BLIS's names, for the caches of the processors with AMX (48 KiB and 2 MiB).
struct AmxBlocking {
  static constexpr i64 MC = 352;  ///< rows, whose activations and sums stay in L2: a prefill in one block
  static constexpr i64 NC = 16 * kPanel;  ///< columns that share a slice of the activations
  static constexpr i64 KC = 512;  ///< inputs: 32 rows of activations and 32 columns of weights stay in L1
  static constexpr i64 kTileSums = 16 * kPanel;
};

/// Fewer rows are faster in vectors, since a panel is expanded once for all of them. Measured on a Sapphire Rapids with 1
/// and 16 threads: level at 12 rows and 1.2 to 1.3 times as fast at 16 in groups of 128; in groups of 32, which fill half
/// a tile, behind at 16 and ahead at 48.
template <class Block>
inline constexpr i64 kAmxRows = Block::kGroup < 64 ? 32 : 14;

/// What tiles read must have been written, and what they write must be read again.
[[gnu::always_inline]] inline void tiles_fence() noexcept {
  asm volatile("" ::: "memory");
}

/// Tiles 0-3 are sums of h rows, 4-5 activations, 6-7 weights.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};

  TileConfig(i64 h, i64 inputs) noexcept {
    for (int t = 0; t < 8; ++t) {
      bytes[t] = std::uint16_t(t == 4 || t == 5 ? inputs : 64);
      rows[t] = std::uint8_t(t < 6 ? h : inputs / 4);
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
    __builtin_prefetch(reinterpret_cast<const char*>(b.q[i]) + kAhead);
    _mm512_storeu_si512(q + 64 * i, _mm512_xor_si512(_mm512_loadu_si512(b.q[i]), zero));
  }
  Lanes::store(scale, Lanes::load(b.scale));
}

template <int G>
inline void expand(const Q4Block<G>& b, std::int8_t* q, float* scale) noexcept {
  const __m512i zero = four_times(b.zero);
#pragma GCC unroll 4
  for (int i = 0; i < G / 8; ++i) {
    __builtin_prefetch(reinterpret_cast<const char*>(b.q[i]) + kAhead);
    const __m512i bits = _mm512_loadu_si512(b.q[i]);
    _mm512_storeu_si512(q + 128 * i, _mm512_sub_epi8(Lanes::low_nibbles(bits), zero));
    _mm512_storeu_si512(q + 128 * i + 64, _mm512_sub_epi8(Lanes::high_nibbles(bits), zero));
  }
  Lanes::store(scale, Lanes::load_half(b.scale));
}

/// Up to two tiles of rows by two panels, over one slice.
struct TilesCall {
  i64 groups;            // of the slice
  i64 height;            // rows of a tile
  i64 row[2], fresh[2];  // first row of each tile, and the first of its rows that no tile before it has added
  const std::int8_t* a;  // rows, a_stride apart
  i64 a_stride;
  const float* a_scale;  // [rows, groups], rows a_groups apart
  i64 a_groups;
  const std::int8_t* b;  // expanded weights, panels b_stride apart
  i64 b_stride;
  const float* scale;  // of the weights, [groups][16], panels scale_stride apart
  i64 scale_stride;
  float* c;  // sums so far, [rows][16], panels c_stride apart
  i64 c_stride;
  std::int32_t* dots;  // [2][2][2][16][16]
};

/// c += scales * dots for the fresh rows of each tile.
template <int R, int P>
inline void add_tiles(const TilesCall& t, i64 group, const std::int32_t* dots) noexcept {
  for (int tile = 0; tile < R; ++tile)
    for (int p = 0; p < P; ++p, dots += AmxBlocking::kTileSums) {
      const __m512 w_scale = Lanes::load(t.scale + p * t.scale_stride + group * kPanel);
      const float* a_scale = t.a_scale + t.row[tile] * t.a_groups + group;
      float* c = t.c + p * t.c_stride + t.row[tile] * kPanel;
#pragma GCC unroll 4
      for (i64 r = t.fresh[tile]; r < t.height; ++r) {
        const __m512 exact = Lanes::to_float(Lanes::load_bits(dots + r * kPanel));
        const __m512 scale = Lanes::mul(Lanes::splat(a_scale[r * t.a_groups]), w_scale);
        Lanes::store(c + r * kPanel, Lanes::fma(scale, exact, Lanes::load(c + r * kPanel)));
      }
    }
}

template <int R, int P, class Block>
inline void run_tiles(const TilesCall& t) noexcept {
  constexpr i64 inputs = kTileInputs<Block>, sums = AmxBlocking::kTileSums;
  const std::int8_t *a0 = t.a + t.row[0] * t.a_stride, *a1 = t.a + t.row[R - 1] * t.a_stride;
  const std::int8_t *b0 = t.b, *b1 = t.b + t.b_stride;
  for (i64 group = 0; group < t.groups; ++group) {
    _tile_zero(0);
    if constexpr (P == 2) _tile_zero(1);
    if constexpr (R == 2) _tile_zero(2);
    if constexpr (R == 2 && P == 2) _tile_zero(3);
#pragma GCC unroll 2
    for (i64 i = 0; i < Block::kGroup; i += inputs, a0 += inputs, a1 += inputs) {
      _tile_loadd(4, a0, t.a_stride);
      _tile_loadd(6, b0, 64);
      _tile_dpbssd(0, 4, 6);
      if constexpr (P == 2) {
        _tile_loadd(7, b1, 64);
        _tile_dpbssd(1, 4, 7);
      }
      if constexpr (R == 2) {
        _tile_loadd(5, a1, t.a_stride);
        _tile_dpbssd(2, 5, 6);
        if constexpr (P == 2) _tile_dpbssd(3, 5, 7);
      }
      b0 += inputs * kPanel;
      b1 += inputs * kPanel;
    }
    if (group > 0) add_tiles<R, P>(t, group - 1, t.dots + (group - 1) % 2 * 4 * sums);
    std::int32_t* dots = t.dots + group % 2 * 4 * sums;
    _tile_stored(0, dots, 64);
    if constexpr (P == 2) _tile_stored(1, dots + sums, 64);
    if constexpr (R == 2) _tile_stored(2, dots + P * sums, 64);
    if constexpr (R == 2 && P == 2) _tile_stored(3, dots + 3 * sums, 64);
  }
  add_tiles<R, P>(t, t.groups - 1, t.dots + (t.groups - 1) % 2 * 4 * sums);
}

/// Loop 1 (ir): all rows in tiles of one height; the last begins earlier and leaves out what others have added.
template <int P, class Block>
inline void run_tile_rows(i64 rows, TilesCall t) noexcept {
  i64 done = 0;
  const auto place = [&](int tile) {
    t.row[tile] = done + t.height <= rows ? done : rows - t.height;
    t.fresh[tile] = done - t.row[tile];
    done = t.row[tile] + t.height;
  };
  while (done < rows) {
    place(0);
    if (done < rows) {
      place(1);
      run_tiles<2, P, Block>(t);
    } else {
      run_tiles<1, P, Block>(t);
    }
  }
}

template <class Block>
void qgemm_amx(const QGemm& g) noexcept {
  using B = AmxBlocking;
  if (g.m < kAmxRows<Block>) return qgemm_blocked<QMicro, Block>(g);
  constexpr i64 slice = B::KC / Block::kGroup, expanded_panel = B::KC * kPanel, scales_panel = slice * kPanel;
  static_assert(B::MC * B::NC + 2 * (expanded_panel / 4 + scales_panel) + 8 * B::kTileSums <= kGemmScratch);
  float* sums = g.scratch;
  float* scales = sums + B::MC * B::NC;
  std::int32_t* dots = reinterpret_cast<std::int32_t*>(scales + 2 * scales_panel);
  std::int8_t* expanded = reinterpret_cast<std::int8_t*>(dots + 8 * B::kTileSums);

  const i64 blocks = (g.m + B::MC - 1) / B::MC, block_rows = g.m / blocks;  // of the smallest block
  const i64 tiles = (block_rows + 15) / 16, height = (block_rows + tiles - 1) / tiles;
  const TileConfig config(height, kTileInputs<Block>);
  tiles_fence();
  _tile_loadconfig(&config);
  for (i64 block = 0; block < blocks; ++block) {  // loop 3 (ic): MC rows
    const i64 m0 = g.m * block / blocks, rows = g.m * (block + 1) / blocks - m0;
    for (i64 n0 = 0; n0 < g.n; n0 += B::NC) {  // loop 5 (jc): NC columns
      const i64 columns = g.n - n0 < B::NC ? g.n - n0 : B::NC;
      const i64 panels = (columns + kPanel - 1) / kPanel;
      for (i64 i = 0; i < panels * rows * kPanel; ++i) sums[i] = 0;
      for (i64 g0 = 0; g0 < g.a.groups; g0 += slice) {  // loop 4 (pc): KC inputs
        const i64 groups = g.a.groups - g0 < slice ? g.a.groups - g0 : slice;
        for (i64 p = 0; p < panels; p += 2) {  // loop 2 (jr): two panels
          const i64 now = panels - p < 2 ? 1 : 2;
          for (i64 q = 0; q < now; ++q) {
            const Block* b = static_cast<const Block*>(g.panels) + (n0 / kPanel + p + q) * g.a.groups + g0;
            for (i64 i = 0; i < groups; ++i)
              expand(b[i], expanded + q * expanded_panel + i * Block::kGroup * kPanel,
                     scales + q * scales_panel + i * kPanel);
          }
          tiles_fence();
          const TilesCall t{.groups = groups,
                            .height = height,
                            .row = {},
                            .fresh = {},
                            .a = g.a.q + m0 * g.a.stride + g0 * Block::kGroup,
                            .a_stride = g.a.stride,
                            .a_scale = g.a.scale + m0 * g.a.groups + g0,
                            .a_groups = g.a.groups,
                            .b = expanded,
                            .b_stride = expanded_panel,
                            .scale = scales,
                            .scale_stride = scales_panel,
                            .c = sums + p * rows * kPanel,
                            .c_stride = rows * kPanel,
                            .dots = dots};
          now == 2 ? run_tile_rows<2, Block>(rows, t) : run_tile_rows<1, Block>(rows, t);
        }
      }
      finish_block(sums, rows, columns, g.bias ? g.bias + n0 : nullptr, g.store, g.c + m0 * g.ldc + n0,
                   g.ldc);
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
