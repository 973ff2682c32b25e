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

/// Three rows by one panel are 12 sums of the 15 registers that engines on x86-64 have to give.
struct Micro {
  static constexpr int MR = 3;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 ? 2 : 1); }

  template <int R, int P, class W>
  static void tile(const TileCall<W>& t) noexcept {
    static_assert(R <= 4 && P <= 2, "the loops are unrolled so far");
    v128_t sum[std::size_t(R)][std::size_t(P)][4];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v)
          sum[r][p][v] =
              t.load ? wasm_v128_load(t.c + r * t.ldc + p * t.c_stride + 4 * v) : wasm_f32x4_splat(0);
    const float* a = t.a;
    const W* b = t.b;
    const std::size_t lda = std::size_t(t.lda), b_stride = std::size_t(t.b_stride);
    for (std::size_t k = std::size_t(t.k); k > 0; --k, ++a, b += kPanel)
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
          const v128_t w = load4(b + std::size_t(p) * b_stride + 4 * v);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r)
            sum[r][p][v] = wasm_f32x4_add(
                sum[r][p][v], wasm_f32x4_mul(wasm_v128_load32_splat(a + std::size_t(r) * lda), w));
        }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) wasm_v128_store(t.c + r * t.ldc + p * t.c_stride + 4 * v, sum[r][p][v]);
  }

  static void widen(const std::uint16_t* b, i64 count, float* out) noexcept {
    for (i64 i = 0; i < count; i += 4) wasm_v128_store(out + i, load4(b + i));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
