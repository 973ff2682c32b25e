#pragma once

#define LA_QGEMM_NEONI8MM
#include "qgemm_neondot.hpp"
#undef LA_QGEMM_NEONI8MM

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Register tiles on smmla, which multiplies two rows of eight inputs with two columns of eight: 32 products, twice those of
/// sdot. Three pairs of rows by eight pairs of columns are 24 registers of sums. A panel is read as it lies: two vectors
/// of four columns and four inputs each are zipped into pairs of columns of eight. The sums of a group are integers, so
/// the bits are those of sdot.
struct MatrixMicro : QTileShape, InPlace {
  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(P == 1);
    if constexpr (R == 1) {
      LaneMicro::tile<R, P>(t);  // half of each smmla would be for nothing
    } else {
      constexpr int pairs = (R + 1) / 2;
      for (i64 group = 0; group < t.groups; ++group) {
        int32x4_t sums[pairs][kPanel / 2];
#pragma GCC unroll 4
        for (int p = 0; p < pairs; ++p)
#pragma GCC unroll 8
          for (int c = 0; c < kPanel / 2; ++c) sums[p][c] = vdupq_n_s32(0);
        const std::int8_t* a = t.a + group * Block::kGroup;
#pragma GCC unroll 1
        for (int i = 0; i < Block::kGroup / 8; ++i, a += 8) {
          int8x16_t rows[pairs];
#pragma GCC unroll 4
          for (int p = 0; p < pairs; ++p) {
            const std::int8_t* first = a + 2 * p * t.a_stride;
            // The last row of an odd number is its own partner, whose sums nobody reads.
            rows[p] = vcombine_s8(vld1_s8(first), vld1_s8(2 * p + 1 < R ? first + t.a_stride : first));
          }
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) {
            const Columns columns = load_columns(t.b[group], i, v, t.ahead);
#pragma GCC unroll 4
            for (int p = 0; p < pairs; ++p)
#pragma GCC unroll 2
              for (int half = 0; half < 2; ++half) {
                multiply(sums[p][2 * v + half], rows[p], columns.pair[half]);
              }
          }
        }
        QDots<DotLanes, R, 1> dots;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
#pragma GCC unroll 4
          for (int p = 0; p < pairs; ++p) {
            const int64x2_t left = vreinterpretq_s64_s32(sums[p][2 * v]),
                            right = vreinterpretq_s64_s32(sums[p][2 * v + 1]);
            dots.dot[0][v][2 * p] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
            if (2 * p + 1 < R) dots.dot[0][v][2 * p + 1] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
          }
        dots.add_to_sums(t, group);
      }
    }
  }

 private:
  static constexpr int kVectors = kPanel / DotLanes::kLanes;

  /// sum + rows columns^T, see DotLanes::dot_lane.
  static void multiply(int32x4_t& sum, int8x16_t rows, int8x16_t columns) noexcept {
    asm volatile("smmla %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(rows), "w"(columns));
  }

  /// Four columns of eight inputs.
  struct Columns {
    int8x16_t pair[2];
  };

  template <class Block>
  [[gnu::always_inline]] static Columns load_columns(const Block& b, int i, int v, i64 ahead) noexcept {
    int32x4_t first, second;  // inputs 0 to 3, 4 to 7
    if constexpr (Block::kBits == 4) {
      const auto* q = b.q[i] + v * DotLanes::kLanes;
      if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + ahead);
      const int32x4_t bits = DotLanes::load_bits(q);
      first = DotLanes::low_nibbles(bits);
      second = DotLanes::high_nibbles(bits);
    } else {
      const auto *q = b.q[2 * i] + v * DotLanes::kLanes, *next = b.q[2 * i + 1] + v * DotLanes::kLanes;
      if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + ahead);
      if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(next) + ahead);
      first = DotLanes::dot_bytes(DotLanes::load_bits(q));
      second = DotLanes::dot_bytes(DotLanes::load_bits(next));
    }
    return {
        {vreinterpretq_s8_s32(vzip1q_s32(first, second)), vreinterpretq_s8_s32(vzip2q_s32(first, second))}};
  }
};

using QMicro = MatrixMicro;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
