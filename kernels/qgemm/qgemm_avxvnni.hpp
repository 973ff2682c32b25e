#pragma once

#include "lanes_avxvnni.hpp"
#include "qgemm_blocked.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 16 registers, 12 hold sums, two weights and one four activations: as many sums as hide the latency of two dot
/// products a cycle, and a block step of the decoder is two tiles.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 6;
  static constexpr int NR(int) { return kPanel; }
};

/// Register tiles on dpbusd with 16 registers. qgemm_dot.hpp's expand both nibbles of a line at once, for which there is
/// room in 32; here the line is read again for the high ones.
struct QMicro : QTileShape, InPlace {
  /// Not inlined: among the loops around it g++ 12 keeps strides and sums in memory.
  template <int R, int P, class Block>
  [[gnu::noinline]] static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(P == 1);
    const i64 stride = t.a_stride;
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<DotLanes, R, 1> dots, second;  // few rows need two chains of sums to hide the latency
      dots.clear();
      second.clear();
      const std::int8_t* a = t.a + group * Block::kGroup;
      const void* line = t.b[group].q;
#pragma GCC unroll 1
      for (int i = 0; i < Block::kGroup * Block::kBits / 32; ++i) {
        __builtin_prefetch(static_cast<const char*>(line) + t.ahead);
        if constexpr (Block::kBits == 4) {
          add<R>(DotLanes::low_nibbles(load(line, 0)), DotLanes::low_nibbles(load(line, 1)), a, stride, dots);
          line = DotLanes::anew(line);
          add<R>(DotLanes::high_nibbles(load(line, 0)), DotLanes::high_nibbles(load(line, 1)), a + 4, stride,
                 kFew<R> ? second : dots);
          a += 8;
        } else {
          add<R>(load(line, 0), load(line, 1), a, stride, dots);
          a += 4;
        }
        line = static_cast<const char*>(line) + 2 * sizeof(Int);
      }
      if constexpr (Block::kBits == 4 && kFew<R>) dots.add(second);
      dots.add_to_sums(t, group);
    }
  }

 private:
  using Int = DotLanes::Int;

  template <int R>
  static constexpr bool kFew = R < 4;

  static Int load(const void* line, int v) noexcept {
    return DotLanes::load_bits(static_cast<const Int*>(line) + v);
  }

  /// Four inputs of every row.
  template <int R>
  [[gnu::always_inline]] static void add(Int left, Int right, const std::int8_t* a, i64 stride,
                                         QDots<DotLanes, R, 1>& dots) noexcept {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
      DotLanes::dot_row(dots.dot[0][0][r], dots.dot[0][1][r], left, right, a + r * stride);
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
