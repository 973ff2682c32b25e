#pragma once

#include "../common/intrinsics_x86.hpp"
#include "gemm_blocked.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline __m256 load8(const float* p) noexcept {
  return _mm256_loadu_ps(p);
}

/// Eight bf16 widened: their bits are the upper halves.
inline __m256 load8(const std::uint16_t* p) noexcept {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// Six rows by one panel fill 12 of 16 registers with sums; fewer rows take more panels side by side to hide the
/// latency of the multiply-add.
struct Micro {
  static constexpr int MR = 6;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 ? 4 : rows <= 3 ? 2 : 1); }

  template <int R, int P, class W>
  static void tile(const TileCall<W>& t) noexcept {
    static_assert(R <= 8 && P <= 4, "the loops are unrolled so far");
    __m256 sum[std::size_t(R)][std::size_t(P)][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        const float* c = t.c + r * t.ldc + p * t.c_stride;
        sum[r][p][0] = t.load ? _mm256_loadu_ps(c) : _mm256_setzero_ps();
        sum[r][p][1] = t.load ? _mm256_loadu_ps(c + 8) : _mm256_setzero_ps();
      }
    const float* a = t.a;
    const W* b = t.b;
    const char* ahead = t.ahead;
    for (i64 k = 0; k < t.k; ++k, ++a, b += kPanel, ahead += t.ahead_step) {
      __m256 w[std::size_t(P)][2];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        __builtin_prefetch(ahead + p * t.ahead_stride, 0, 2);
        w[p][0] = load8(b + p * t.b_stride);
        w[p][1] = load8(b + p * t.b_stride + 8);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256 x = _mm256_broadcast_ss(a + r * t.lda);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
          sum[r][p][0] = _mm256_fmadd_ps(x, w[p][0], sum[r][p][0]);
          sum[r][p][1] = _mm256_fmadd_ps(x, w[p][1], sum[r][p][1]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        float* c = t.c + r * t.ldc + p * t.c_stride;
        _mm256_storeu_ps(c, sum[r][p][0]);
        _mm256_storeu_ps(c + 8, sum[r][p][1]);
      }
  }

  static void widen(const std::uint16_t* b, i64 count, float* out) noexcept {
    for (i64 i = 0; i < count; i += 8) _mm256_storeu_ps(out + i, load8(b + i));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
