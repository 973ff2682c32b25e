#pragma once

#define LA_QGEMM_WASMRELAXED
#include "lanes_wasmrelaxed.hpp"
#include "qgemm_wasm.hpp"
#undef LA_QGEMM_WASMRELAXED

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Register tiles on i32x4.relaxed_dot_i8x16_i7x16_add, whose 7 bits hold weights of 4; those of 8 bits where the engine
/// takes them, else on pairs: as a sum of two of 7 bits they were 0.7 times as fast in V8 11.3. An engine may need two more
/// registers for the product: 10 sums leave room.
template <class L, bool Bytes>
struct RelaxedMicro : WideMicro<L> {
  template <class Block>
  static constexpr bool repacks() {
    return Block::kBits == 8 && !Bytes;
  }

  template <int R, int P, class Block>
  static void tile(const QTileCall<Block>& t) noexcept {
    static_assert(R <= 8 && P == 1, "the loops are unrolled so far");
    if constexpr (repacks<Block>()) {
      WideMicro<L>::template tile<R, P>(t);
    } else {
      for (i64 group = 0; group < t.groups; ++group) {
        const Block& b = t.b[group];
        const std::int8_t* a = t.a + group * Block::kGroup;
        QDots<L, R, 1> dots;
        constexpr int vectors = R <= 2 ? 4 : 2;
#pragma GCC unroll 2
        for (int v = 0; v < 4; v += vectors)
          add_vectors<R, vectors>(b, v, a, std::size_t(t.a_stride), dots.dot[0]);
        dots.add_to_sums(t, group);
      }
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
      add_lines<Step, R, V, Block>(
          q, a, stride, [](v128_t x) { return L::dot_bytes(x); }, sum);
    } else {
      const v128_t mask = L::hidden_splat(0x0f0f0f0f);
      add_lines<Step, R, V, Block>(
          q, a, stride, [mask](v128_t x) { return wasm_v128_and(x, mask); }, sum);
      add_lines<Step, R, V, Block>(
          q, a + 4, stride, [mask](v128_t x) { return wasm_v128_and(wasm_u16x8_shr(x, 4), mask); }, sum);
    }
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) dots[v + i][r] = sum[i][r];
  }

  /// Four inputs.
  struct Step {
    static v128_t add(v128_t sum, v128_t w, v128_t x) noexcept { return L::dot(sum, w, x); }
  };
};

/// What every engine with relaxed-simd runs.
using QMicro = RelaxedMicro<DotLanes, false>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
