#pragma once

#include "qgemm_blocked.hpp"

// Register tiles on a 4-way dot product: dot(sum, w, x) adds four products to each 32-bit lane.
namespace la::kernels::LA_KERNELS_NAMESPACE {

template <class L>
struct DotMicro {
  template <class Block>
  static constexpr int rows() {
    return L::kDotRows;
  }
  static constexpr int panels(int rows) { return L::dot_panels(rows); }

  /// Packed activations are the bytes as they are.
  template <class Block>
  static constexpr int expansion() {
    return 1;
  }
  template <class Block>
  static void pack(const std::int8_t* q, i64 count, std::int8_t* out) noexcept {
    __builtin_memcpy(out, q, std::size_t(count));
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<L, R, P> dots;
      dots.clear();
      const std::int8_t* a = t.a + group * Block::kGroup;
      for (int i = 0; i < Block::kGroup * Block::kBits / 32; ++i) {
        Int low[P][kVectors], high[P][kVectors];
        for_each<P, kVectors>([&](int p, int v) {
          const auto* q = t.b[p * t.b_stride + group].q[i] + v * L::kLanes;
          if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + L::kPrefetch);
          const Int bits = L::load_bits(q);
          low[p][v] = Block::kBits == 4 ? L::low_nibbles(bits) : L::dot_bytes(bits);
          high[p][v] = L::high_nibbles(bits);
        });
        add<Block>(low, a + i * (32 / Block::kBits), dots);
        if constexpr (Block::kBits == 4) add<Block>(high, a + 8 * i + 4, dots);
      }
      dots.add_to_sums(t, group);
    }
  }

 private:
  using Int = typename L::Int;
  static constexpr int kVectors = kPanel / L::kLanes;

  /// Four inputs of every row.
  template <class Block, int R, int P>
  [[gnu::always_inline]] static void add(const Int (&w)[P][kVectors], const std::int8_t* a,
                                         QDots<L, R, P>& dots) noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Int four = L::splat_four(a + r * kQStride<DotMicro, Block>);
      for_each<P, kVectors>([&](int p, int v) { dots.dot[p][v][r] = L::dot(dots.dot[p][v][r], w[p][v], four); });
    }
  }
};

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
