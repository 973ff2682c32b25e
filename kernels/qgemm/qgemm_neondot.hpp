#pragma once

#include "lanes_neondot.hpp"
#include "qgemm_blocked.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 32 registers, 24 hold sums and six the activations of a step: two are left for weights.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 6;
  static constexpr int NR(int) { return kPanel; }
};

/// Register tiles on sdot by lane: sixteen activations of a row are one register, whose lanes meet four inputs of every
/// column each. So a row costs a load for sixteen products; broadcasting four of its bytes at a time, as
/// qgemm_dot.hpp does, left half of the pipes idle.
struct LaneMicro : QTileShape, InPlace {
  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(P == 1);
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<DotLanes, R, 1> dots, second;  // few rows need two chains of sums to hide the latency
      dots.clear();
      second.clear();
      const Block& b = t.b[group];
      const std::int8_t* a = t.a + group * Block::kGroup;
#pragma GCC unroll 1
      for (int i = 0; i < Block::kGroup / 16; ++i, a += 16) {
        int8x16_t rows[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) rows[r] = vld1q_s8(a + r * t.a_stride);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          if constexpr (Block::kBits == 4) {
            const Int first = load<Block>(b, 2 * i, v, t.ahead), next = load<Block>(b, 2 * i + 1, v, t.ahead);
            add<0>(DotLanes::low_nibbles(first), rows, dots.dot[0][v]);
            add<1>(DotLanes::high_nibbles(first), rows, kFew<R> ? second.dot[0][v] : dots.dot[0][v]);
            add<2>(DotLanes::low_nibbles(next), rows, dots.dot[0][v]);
            add<3>(DotLanes::high_nibbles(next), rows, kFew<R> ? second.dot[0][v] : dots.dot[0][v]);
          } else {
            add<0>(DotLanes::dot_bytes(load<Block>(b, 4 * i, v, t.ahead)), rows, dots.dot[0][v]);
            add<1>(DotLanes::dot_bytes(load<Block>(b, 4 * i + 1, v, t.ahead)), rows,
                   kFew<R> ? second.dot[0][v] : dots.dot[0][v]);
            add<2>(DotLanes::dot_bytes(load<Block>(b, 4 * i + 2, v, t.ahead)), rows, dots.dot[0][v]);
            add<3>(DotLanes::dot_bytes(load<Block>(b, 4 * i + 3, v, t.ahead)), rows,
                   kFew<R> ? second.dot[0][v] : dots.dot[0][v]);
          }
        }
      }
      if constexpr (kFew<R>) dots.add(second);
      dots.add_to_sums(t, group);
    }
  }

 private:
  using Int = DotLanes::Int;
  static constexpr int kVectors = kPanel / DotLanes::kLanes;

  template <int R>
  static constexpr bool kFew = R < 3;

  template <class Block>
  [[gnu::always_inline]] static Int load(const Block& b, int line, int v, i64 ahead) noexcept {
    const auto* q = b.q[line] + v * DotLanes::kLanes;
    if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + ahead);
    return DotLanes::load_bits(q);
  }

  /// Inputs 4 `Lane` .. 4 `Lane` + 3 of the step, of every row.
  template <int Lane, std::size_t R>
  [[gnu::always_inline]] static void add(Int w, const int8x16_t (&rows)[R], Int (&sums)[R]) noexcept {
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) DotLanes::dot_lane<Lane>(sums[r], w, rows[r]);
  }
};

#if !defined(LA_QGEMM_NEONI8MM)
using QMicro = LaneMicro;
#endif

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
