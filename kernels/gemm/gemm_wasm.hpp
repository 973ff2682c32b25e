#pragma once

#include <wasm_simd128.h>

#include "gemm_blocked.hpp"

// The register tile of WebAssembly's 128 bits. There is no fused multiply-add whose bits are certain: products are rounded,
// then added, the same on every engine.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline v128_t load4(const float* p) noexcept {
  return wasm_v128_load(p);
}

/// Four bf16 widened: their bits are the upper halves.
inline v128_t load4(const std::uint16_t* p) noexcept {
  return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16);
}

/// Half a panel at a time: up to twelve sums, two weights, an activation and what an addition takes are the 15 registers that
/// engines on x86-64 have to give.
template <class Lanes, int Rows>
struct HalfPanelMicro {
  static constexpr int MR = Rows;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 ? 2 : 1); }

  template <int R, int P, class W>
  static void tile(const TileCall<W>& t) noexcept {
    static_assert(R <= 6 && P <= 2, "the loops are unrolled so far");
    constexpr int vectors = R == 1 ? 4 * P : R == 2 ? 4 : 2;
#pragma GCC unroll 2
    for (int v = 0; v < 4 * P; v += vectors) add_vectors<R, vectors>(t, v);
  }

  static void widen(const std::uint16_t* b, i64 count, float* out) noexcept {
    for (i64 i = 0; i < count; i += 4) wasm_v128_store(out + i, load4(b + i));
  }

 private:
  /// `V` vectors of columns from `v` on.
  template <int R, int V, class W>
  [[gnu::always_inline]] static void add_vectors(const TileCall<W>& t, int v) noexcept {
    v128_t sum[V][R];
    const auto c = [&](int i, int r) { return t.c + r * t.ldc + (v + i) / 4 * t.c_stride + (v + i) % 4 * 4; };
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[i][r] = t.load ? wasm_v128_load(c(i, r)) : wasm_f32x4_splat(0);
    const float* a = t.a;
    const W* b = t.b + v / 4 * t.b_stride + v % 4 * 4;
    const std::size_t lda = std::size_t(t.lda), b_stride = std::size_t(t.b_stride);
#pragma GCC \
    unroll 1  // two steps at once do not fit the registers: the compiler brings together what is added to a sum
    for (std::size_t k = std::size_t(t.k); k > 0; --k, ++a, b += kPanel) {
      v128_t w[V];
#pragma GCC unroll 8
      for (int i = 0; i < V; ++i) w[i] = load4(b + std::size_t(i / 4) * b_stride + i % 4 * 4);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const v128_t x = wasm_v128_load32_splat(a + std::size_t(r) * lda);
#pragma GCC unroll 8
        for (int i = 0; i < V; ++i) sum[i][r] = Lanes::multiply_add(x, w[i], sum[i][r]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) wasm_v128_store(c(i, r), sum[i][r]);
  }
};

/// a b + c of four floats, rounded twice.
struct UnfusedLanes {
  static v128_t multiply_add(v128_t a, v128_t b, v128_t c) noexcept {
    return wasm_f32x4_add(c, wasm_f32x4_mul(a, b));
  }
};

using Micro = HalfPanelMicro<UnfusedLanes, 4>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
