#pragma once

#include "qgemm_blocked.hpp"

// Register tiles for instruction sets whose products add pairs: maddubs (u8 * s8 pairs to s16, saturating) and madd
// (s16 pairs to s32, exact).
//
//   4 bits  maddubs, added up in s16 for 32 inputs: 8 * 2 * 15 * 127 = 30480 < 32768; madd with ones then widens.
//   8 bits  maddubs could saturate: 2 * 255 * 127. Weights and activations are split into even and odd inputs, the two
//           s16 of a lane that madd wants.
//
// Dropped: 8 bits as maddubs(|w|, sign(x, w)) then madd: at most 63 % of the int8 peak on Zen 4, where sign shares the
// ports of the multipliers. Six rows with 16 registers: GCC 12 spills, 49 % for 67 %. Even and odd inputs in one pass:
// 61 %.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

template <PairProductLanes L, class Shape>
struct PairMicro : Shape {
  template <class Block>
  static constexpr bool repacks() {
    return Block::kBits == 8;
  }
  /// As s16: the even inputs of a slice, then the odd ones.
  template <class Block>
  static void pack(const std::int8_t* q, i64 count, std::int8_t* out) noexcept {
    for (i64 i = 0; i < count; i += i64(sizeof(Int))) {
      const Int x = L::load_bits(q + i);
      L::store_bits(out + i, L::even_signed(x));
      L::store_bits(out + QGemmBlocking::KC + i, L::odd_signed(x));
    }
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    for (i64 group = 0; group < t.groups; ++group) {
      QDots<L, R, P> dots;
      dots.clear();
      if constexpr (Block::kBits == 4) {
        add_nibbles(t, group, dots);
      } else {
        add_bytes<false>(t, group, dots);
        add_bytes<true>(t, group, dots);
      }
      dots.add_to_sums(t, group);
    }
  }

 private:
  using Int = typename L::Int;
  static constexpr int kVectors = kPanel / L::kLanes;

  template <int R, int P, class Block>
  [[gnu::always_inline]] static void add_nibbles(const QTileCall<Block>& t, i64 group,
                                                 QDots<L, R, P>& dots) noexcept {
    constexpr int lines = 4;  // 32 inputs
    const std::int8_t* a = t.a + group * Block::kGroup;
    for (int i0 = 0; i0 < Block::kGroup / 8; i0 += lines, a += 8 * lines) {
      QDots<L, R, P> pairs;
      pairs.clear();
#pragma GCC unroll 1  // GCC would gather the sums of all lines and spill them
      for (int i = 0; i < lines; ++i) {
        Int low[std::size_t(P)][std::size_t(kVectors)], high[std::size_t(P)][std::size_t(kVectors)];
        for_each<P, kVectors>([&](int p, int v) {
          const auto* q = t.b[p * t.b_stride + group].q[i0 + i] + v * L::kLanes;
          if (v == 0) __builtin_prefetch(reinterpret_cast<const char*>(q) + t.ahead);
          const Int both = L::load_bits(q);
          low[p][v] = L::low_nibbles(both);
          high[p][v] = L::high_nibbles(both);
        });
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const std::int8_t* x = a + r * t.a_stride + 8 * i;
          const Int first = L::splat_four(x), second = L::splat_four(x + 4);
          for_each<P, kVectors>([&](int p, int v) {
            Int& sum = pairs.dot[p][v][r];
            sum = L::add16(sum, L::maddubs(low[p][v], first));
            sum = L::add16(sum, L::maddubs(high[p][v], second));
          });
        }
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
        for_each<P, kVectors>([&](int p, int v) {
          dots.dot[p][v][r] = L::add32(dots.dot[p][v][r], L::madd(pairs.dot[p][v][r], L::ones16()));
        });
    }
  }

  /// The even or the odd inputs, each in a pass of its own over the block, which is in L1 by then.
  template <bool kOdd, int R, int P, class Block>
  [[gnu::always_inline]] static void add_bytes(const QTileCall<Block>& t, i64 group,
                                               QDots<L, R, P>& dots) noexcept {
    const std::int8_t* a = t.a + group * Block::kGroup + (kOdd ? QGemmBlocking::KC : 0);
#pragma GCC unroll 1
    for (int i = 0; i < Block::kGroup / 4; ++i) {
      Int w[std::size_t(P)][std::size_t(kVectors)];
      for_each<P, kVectors>([&](int p, int v) {
        const auto* q = t.b[p * t.b_stride + group].q[i] + v * L::kLanes;
        if (v == 0 && !kOdd) __builtin_prefetch(reinterpret_cast<const char*>(q) + t.ahead);
        const Int four = L::load_bits(q);
        w[p][v] = kOdd ? L::odd_unsigned(four) : L::even_unsigned(four);
      });
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Int x = L::splat_four(a + r * t.a_stride + 4 * i);
        for_each<P, kVectors>([&](int p, int v) {
          dots.dot[p][v][r] = L::settle(L::add32(dots.dot[p][v][r], L::madd(w[p][v], x)));
        });
      }
    }
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
