#pragma once

#include "qgemm_blocked.hpp"

// Register tiles on a 4-way dot product: dot(sum, w, x) adds four products to each 32-bit lane.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

template <DotProductLanes L, class Shape>
struct DotMicro : Shape, InPlace {
  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<L, R, P> dots, second;  // few rows need two chains of sums to hide the latency
      dots.clear();
      second.clear();
      const std::int8_t* a = t.a + group * Block::kGroup;
#pragma GCC unroll 1  // unrolled, one row of 4 bits runs at 24 GB/s on Zen 4, as a loop at 29
      for (int i = 0; i < Block::kGroup * Block::kBits / 32; ++i) {
        Int low[std::size_t(P)][std::size_t(kVectors)], high[std::size_t(P)][std::size_t(kVectors)];
        for_each<P, kVectors>([&](int p, int v) {
          const auto* q = t.b[p * t.b_stride + group].q[i] + v * L::kLanes;
          if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + t.ahead);
          const Int bits = L::load_bits(q);
          low[p][v] = Block::kBits == 4 ? L::low_nibbles(bits) : L::dot_bytes(bits);
          high[p][v] = L::high_nibbles(bits);
        });
        add(low, a + i * (32 / Block::kBits), t.a_stride, dots);
        if constexpr (Block::kBits == 4) add(high, a + 8 * i + 4, t.a_stride, kFew<R> ? second : dots);
      }
      if constexpr (Block::kBits == 4 && kFew<R>) dots.add(second);
      dots.add_to_sums(t, group);
    }
  }

 private:
  /// So few rows are bound by latency.
  template <int R>
  static constexpr bool kFew = R < 3;

  using Int = typename L::Int;
  static constexpr int kVectors = kPanel / L::kLanes;

  /// Four inputs of every row.
  template <int R, int P>
  [[gnu::always_inline]] static void add(const Int (&w)[std::size_t(P)][std::size_t(kVectors)],
                                         const std::int8_t* a, i64 stride, QDots<L, R, P>& dots) noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Int four = L::splat_four(a + r * stride);
      for_each<P, kVectors>(
          [&](int p, int v) { dots.dot[p][v][r] = L::settle(L::dot(dots.dot[p][v][r], w[p][v], four)); });
    }
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
