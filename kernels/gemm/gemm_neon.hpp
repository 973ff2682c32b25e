#pragma once

#include <arm_neon.h>

#include "gemm_blocked.hpp"

// The register tile of 128-bit NEON: four registers hold a row of a panel. Shared by neon and neondot.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline float32x4_t load4(const float* p) noexcept {
  return vld1q_f32(p);
}

/// Four bf16 widened: their bits are the upper halves.
inline float32x4_t load4(const std::uint16_t* p) noexcept {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

/// Six rows by one panel fill 24 of 32 registers with sums; fewer rows take more panels side by side to hide the
/// latency of the multiply-add.
struct Micro {
  static constexpr int MR = 6;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 ? 4 : rows <= 3 ? 2 : 1); }

  template <int R, int P, class W>
  static void tile(const TileCall<W>& t) noexcept {
    static_assert(R <= 8 && P <= 4, "the loops are unrolled so far");
    float32x4_t sum[std::size_t(R)][std::size_t(P)][4];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v)
          sum[r][p][v] = t.load ? vld1q_f32(t.c + r * t.ldc + p * t.c_stride + 4 * v) : vdupq_n_f32(0);
    const float* a = t.a;
    const W* b = t.b;
    const char* ahead = t.ahead;
    for (i64 k = 0; k < t.k; ++k, ++a, b += kPanel, ahead += t.ahead_step)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        __builtin_prefetch(ahead + p * t.ahead_stride, 0, 2);
        float32x4_t w[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) w[v] = load4(b + p * t.b_stride + 4 * v);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const float32x4_t x = vdupq_n_f32(a[r * t.lda]);
#pragma GCC unroll 4
          for (int v = 0; v < 4; ++v) sum[r][p][v] = vfmaq_f32(sum[r][p][v], x, w[v]);
        }
      }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) vst1q_f32(t.c + r * t.ldc + p * t.c_stride + 4 * v, sum[r][p][v]);
  }

  static void widen(const std::uint16_t* b, i64 count, float* out) noexcept {
    for (i64 i = 0; i < count; i += 4) vst1q_f32(out + i, load4(b + i));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
