#pragma once

#include "lanes_neon.hpp"
#include "qgemm_blocked.hpp"

// Register tiles without dot products: smlal to s16, sadalp to s32. A vector holds four inputs of four columns.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

struct QMicro : InPlace {
  template <class Block>
  static constexpr int MR = 4;
  static constexpr int NR(int) { return kPanel; }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(R <= 4 && P == 1, "the loops are unrolled so far");
    for (i64 group = 0; group < t.groups; ++group) {
      const Block& b = t.b[group];
      QDots<Lanes, R, P> dots;
      for (int v = 0; v < 4; ++v)
        add_vector<R>(b, v, t.a + group * Block::kGroup, t.a_stride, t.ahead, dots.dot[0][v]);
      dots.add_to_sums(t, group);
    }
  }

 private:
  /// Sixteen products of 15 * 127, or two of 128 * 127, fit an s16.
  template <class Block>
  static constexpr int kLines = Block::kBits == 8     ? 2
                                : Block::kGroup == 32 ? 4
                                                      : 8;

  /// One vector of columns: pairs of columns in the halves of `wide`, two sums for each until the last step.
  template <int R, class Block>
  [[gnu::always_inline]] static void add_vector(const Block& b, int v, const std::int8_t* a, i64 stride,
                                                i64 ahead, int32x4_t (&dot)[std::size_t(R)]) noexcept {
    constexpr int lines = Block::kGroup * Block::kBits / 32;
    int32x4_t wide[std::size_t(R)][2];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) wide[r][0] = wide[r][1] = vdupq_n_s32(0);
    for (int i0 = 0; i0 < lines; i0 += kLines<Block>) {
      int16x8_t pairs[std::size_t(R)][2];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) pairs[r][0] = pairs[r][1] = vdupq_n_s16(0);
      for (int i = i0; i < i0 + kLines<Block>; ++i) {
        const auto* q = b.q[i] + 4 * v;
        __builtin_prefetch(reinterpret_cast<const char*>(q) + ahead);
        const int32x4_t bits = Lanes::load_bits(q);
        if constexpr (Block::kBits == 4) {
          add_four<R>(Lanes::low_nibbles(bits), a + 8 * i, stride, pairs);
          add_four<R>(Lanes::high_nibbles(bits), a + 8 * i + 4, stride, pairs);
        } else {
          add_four<R>(Lanes::dot_bytes(bits), a + 4 * i, stride, pairs);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        wide[r][0] = vpadalq_s16(wide[r][0], pairs[r][0]);
        wide[r][1] = vpadalq_s16(wide[r][1], pairs[r][1]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) dot[r] = vpaddq_s32(wide[r][0], wide[r][1]);
  }

  /// Four inputs of every row.
  template <int R>
  [[gnu::always_inline]] static void add_four(int32x4_t weights, const std::int8_t* a, i64 stride,
                                              int16x8_t (&pairs)[std::size_t(R)][2]) noexcept {
    const int8x16_t w = vreinterpretq_s8_s32(weights);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const int8x16_t x = vreinterpretq_s8_s32(Lanes::splat_four(a + r * stride));
      pairs[r][0] = vmlal_s8(pairs[r][0], vget_low_s8(w), vget_low_s8(x));
      pairs[r][1] = vmlal_high_s8(pairs[r][1], w, x);
    }
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
