#pragma once

#define LA_QGEMM_WASMRELAXED
#include "lanes_wasmrelaxed.hpp"
#include "qgemm_wasm.hpp"
#undef LA_QGEMM_WASMRELAXED

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Register tiles on i32x4.relaxed_dot_i8x16_i7x16_add, whose 7 bits hold weights of 4. An engine may need two more registers
/// for the product: 10 sums leave room.
struct RelaxedMicro {
  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(R <= 8 && P == 1 && Block::kBits == 4, "the loops are unrolled so far");
    for (i64 group = 0; group < t.groups; ++group) {
      const Block& b = t.b[group];
      const std::int8_t* a = t.a + group * Block::kGroup;
      QDots<DotLanes, R, 1> dots;
      constexpr int vectors = R <= 2 ? 4 : 2;
#pragma GCC unroll 2
      for (int v = 0; v < 4; v += vectors)
        add_vectors<R, vectors>(b, v, a, std::size_t(t.a_stride), dots.dot[0]);
      dots.add_to_sums(t, group);
    }
  }

 private:
  /// `V` vectors of columns from `v` on, over a group.
  template <int R, int V, class Block>
  [[gnu::always_inline]] static void add_vectors(const Block& b, int v, const std::int8_t* a,
                                                 std::size_t stride,
                                                 v128_t (&dots)[4][std::size_t(R)]) noexcept {
    v128_t sum[V][R];
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[i][r] = DotLanes::zeros();
    const std::uint8_t* q = &b.q[0][v * DotLanes::kLanes][0];
    constexpr int lines = Block::kGroup / 8;
#pragma GCC unroll 1
    for (int line = 0; line < lines; ++line, q += sizeof b.q[0], a += 8) {
      v128_t low[V], high[V];
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) {
        const v128_t bits = DotLanes::load_bits(q + i * 16);
        low[i] = DotLanes::low_nibbles(bits);
        high[i] = wasm_u8x16_shr(bits, 4);
      }
      add<R, V>(low, a, stride, sum);
      add<R, V>(high, a + 4, stride, sum);
    }
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) dots[v + i][r] = sum[i][r];
  }

  /// Four inputs of every row.
  template <int R, int V>
  [[gnu::always_inline]] static void add(const v128_t (&w)[V], const std::int8_t* a, std::size_t stride,
                                         v128_t (&sum)[V][R]) noexcept {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const v128_t x = DotLanes::splat_four(a + std::size_t(r) * stride);
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) sum[i][r] = DotLanes::dot(sum[i][r], w[i], x);
    }
  }
};

/// Weights of 8 bits as a sum of two of 7 were 0.7 times as fast as WideMicro in V8 11.3, level in a browser that has dpbusd.
struct QMicro : WideMicro {
  template <class Block>
  static constexpr bool repacks() {
    return Block::kBits == 8;
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    if constexpr (Block::kBits == 4)
      RelaxedMicro::tile<R, P>(t);
    else
      WideMicro::tile<R, P>(t);
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
