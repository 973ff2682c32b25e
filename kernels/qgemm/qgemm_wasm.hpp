#pragma once

#include "lanes_wasm.hpp"
#include "qgemm_blocked.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Register tiles on i32x4.dot_i16x8, the only product of pairs there is: weights and activations are split into even and
/// odd inputs, the two s16 of a lane that it wants. Engines on x86-64 have 15 registers to give.
struct WideMicro {
  template <class Block>
  static constexpr int MR = 5;
  static constexpr int NR(int) { return kPanel; }

  template <class Block>
  static constexpr bool repacks() {
    return true;
  }
  /// As s16: the even inputs of a slice, then the odd ones.
  template <class Block>
  static void pack(const std::int8_t* q, i64 count, std::int8_t* out) noexcept {
    for (i64 i = 0; i < count; i += i64(sizeof(v128_t))) {
      const v128_t x = Lanes::load_bits(q + i);
      Lanes::store_bits(out + i, Lanes::even_signed(x));
      Lanes::store_bits(out + QGemmBlocking::KC + i, Lanes::odd_signed(x));
    }
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(R <= 8 && P == 1, "the loops are unrolled so far");
    for (i64 group = 0; group < t.groups; ++group) {
      const Block& b = t.b[group];
      const std::int8_t* a = t.a + group * Block::kGroup;
      QDots<Lanes, R, 1> dots;
      // Up to ten or twelve sums are in registers beside weights, activations and their product.
      constexpr int vectors = R <= 3 ? 4 : 2;
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
      for (int r = 0; r < R; ++r) sum[i][r] = Lanes::zeros();
    const std::uint8_t* q = &b.q[0][v * Lanes::kLanes][0];
    constexpr int lines = Block::kGroup * Block::kBits / 32;
#pragma GCC unroll 1
    for (int line = 0; line < lines; ++line, q += sizeof b.q[0], a += 32 / Block::kBits) {
      v128_t w[V];
      if constexpr (Block::kBits == 4) {
        load<V>(q, w, [](v128_t x) { return Lanes::even_unsigned(Lanes::low_nibbles(x)); });
        add<R, V>(w, a, stride, sum);
        load<V>(q, w, [](v128_t x) { return Lanes::odd_unsigned(Lanes::low_nibbles(x)); });
        add<R, V>(w, a + QGemmBlocking::KC, stride, sum);
        load<V>(q, w, [](v128_t x) { return wasm_v128_and(wasm_u16x8_shr(x, 4), wasm_i16x8_splat(15)); });
        add<R, V>(w, a + 4, stride, sum);
        load<V>(q, w, [](v128_t x) { return wasm_u16x8_shr(x, 12); });
        add<R, V>(w, a + 4 + QGemmBlocking::KC, stride, sum);
      } else {
        load<V>(q, w, [](v128_t x) { return Lanes::even_unsigned(x); });
        add<R, V>(w, a, stride, sum);
        load<V>(q, w, [](v128_t x) { return Lanes::odd_unsigned(x); });
        add<R, V>(w, a + QGemmBlocking::KC, stride, sum);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) dots[v + i][r] = sum[i][r];
  }

  template <int V, class Part>
  [[gnu::always_inline]] static void load(const std::uint8_t* q, v128_t (&w)[V], Part part) noexcept {
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) w[i] = part(Lanes::load_bits(q + i * 16));
  }

  /// Two inputs of every row.
  template <int R, int V>
  [[gnu::always_inline]] static void add(const v128_t (&w)[V], const std::int8_t* a, std::size_t stride,
                                         v128_t (&sum)[V][R]) noexcept {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const v128_t x = Lanes::splat_four(a + std::size_t(r) * stride);
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) sum[i][r] = Lanes::add32(sum[i][r], Lanes::madd(w[i], x));
    }
  }
};

#if !defined(LA_QGEMM_WASMRELAXED)
using QMicro = WideMicro;
#endif

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
