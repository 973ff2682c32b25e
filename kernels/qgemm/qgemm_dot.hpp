#pragma once

#include "qgemm_blocked.hpp"

// Register tiles on a 4-way dot product: dot(sum, w, x) adds four products to each 32-bit lane.
namespace la::kernels::LA_KERNELS_NAMESPACE {

template <class L>
struct DotMicro {
  static constexpr int kRows = L::kDotRows;
  static constexpr int panels(int rows) { return L::dot_panels(rows); }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    QSums<L, R, P> sums;
    sums.start(t.c, t.c_stride, t.load);
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<L, R, P> dots;
      dots.clear();
      const std::int8_t* a = t.a.q + group * Block::kGroup;
      for (int i = 0; i < Block::kGroup * Block::kBits / 32; ++i) {
        Int low[P][kVectors], high[P][kVectors];
        for_each<P, kVectors>([&](int p, int v) {
          const auto* q = t.b[p * t.b_stride + group].q[i] + v * L::kLanes;
          if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + L::kPrefetch);
          const Int bits = L::load_bits(q);
          low[p][v] = Block::kBits == 4 ? L::low_nibbles(bits) : L::dot_bytes(bits);
          high[p][v] = L::high_nibbles(bits);
        });
        add(low, a + i * (32 / Block::kBits), t.a.stride, dots);
        if constexpr (Block::kBits == 4) add(high, a + 8 * i + 4, t.a.stride, dots);
      }
      sums.add_group(dots, t, group);
    }
    sums.store(t.c, t.c_stride);
  }

 private:
  using Int = typename L::Int;
  static constexpr int kVectors = kPanel / L::kLanes;

  /// Four inputs of every row.
  template <int R, int P>
  [[gnu::always_inline]] static void add(const Int (&w)[P][kVectors], const std::int8_t* a, i64 stride,
                                         QDots<L, R, P>& dots) noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Int four = L::splat_four(a + r * stride);
      for_each<P, kVectors>([&](int p, int v) { dots.dot[r][p][v] = L::dot(dots.dot[r][p][v], w[p][v], four); });
    }
  }
};

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
