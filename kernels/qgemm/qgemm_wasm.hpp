#pragma once

#include "lanes_wasm.hpp"
#include "qgemm_blocked.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of every line the inputs of a step, whose weights `part` takes out. A loop for each part: in one, the compiler makes the
/// products of a sum follow each other, and weights and activations of all parts do not fit the registers.
template <class Step, int R, int V, class Block, class Part>
[[gnu::always_inline]] inline void add_lines(const std::uint8_t* q, const std::int8_t* a, std::size_t stride,
                                             Part part, v128_t (&sum)[V][R]) noexcept {
  constexpr int inputs = 32 / Block::kBits, lines = Block::kGroup / inputs;
#pragma GCC unroll 1
  for (int line = 0; line < lines; ++line, q += sizeof(Block::q[0]), a += inputs) {
    v128_t w[V];
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) w[i] = part(Lanes::load_bits(q + i * 16));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const v128_t x = Lanes::splat_four(a + std::size_t(r) * stride);
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) sum[i][r] = Step::add(sum[i][r], w[i], x);
    }
  }
}

/// Register tiles on i32x4.dot_i16x8, the only product of pairs there is: weights and activations are split into even and
/// odd inputs, the two s16 of a lane that it wants. Engines on x86-64 have 15 registers to give.
template <class L>
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
      const v128_t x = L::load_bits(q + i);
      L::store_bits(out + i, L::even_signed(x));
      L::store_bits(out + QGemmBlocking::KC + i, L::odd_signed(x));
    }
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(R <= 8 && P == 1, "the loops are unrolled so far");
    for (i64 group = 0; group < t.groups; ++group) {
      const Block& b = t.b[group];
      const std::int8_t* a = t.a + group * Block::kGroup;
      QDots<L, R, 1> dots;
      // Up to ten sums are in registers beside weights, a mask, activations and their product.
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
      for (int r = 0; r < R; ++r) sum[i][r] = L::zeros();
    const auto* q = &b.q[0][v * L::kLanes][0];
    if constexpr (Block::kBits == 8) {
      const v128_t mask = L::hidden_splat(0x00ff00ff);
      add_lines<Step, R, V, Block>(
          q, a, stride, [mask](v128_t x) { return wasm_v128_and(x, mask); }, sum);
      add_lines<Step, R, V, Block>(
          q, a + QGemmBlocking::KC, stride, [](v128_t x) { return wasm_u16x8_shr(x, 8); }, sum);
    } else {
      const v128_t mask = L::hidden_splat(0x000f000f);
      const auto nibble = [mask](int shift) {
        return [mask, shift](v128_t x) { return wasm_v128_and(wasm_u16x8_shr(x, shift), mask); };
      };
      add_lines<Step, R, V, Block>(
          q, a, stride, [mask](v128_t x) { return wasm_v128_and(x, mask); }, sum);
      add_lines<Step, R, V, Block>(q, a + QGemmBlocking::KC, stride, nibble(8), sum);
      add_lines<Step, R, V, Block>(q, a + 4, stride, nibble(4), sum);
      add_lines<Step, R, V, Block>(
          q, a + 4 + QGemmBlocking::KC, stride, [](v128_t x) { return wasm_u16x8_shr(x, 12); }, sum);
    }
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) dots[v + i][r] = sum[i][r];
  }

  /// Two inputs.
  struct Step {
    static v128_t add(v128_t sum, v128_t w, v128_t x) noexcept { return L::add32(sum, L::madd(w, x)); }
  };
};

#if !defined(LA_QGEMM_WASMRELAXED)
using QMicro = WideMicro<Lanes>;
#endif

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
