#pragma once

#include "../common/intrinsics_x86.hpp"
#include "gemm_blocked.hpp"

// The register tile of 512-bit vectors: one register holds a row of a panel. Shared by avx512 and avx512vnni.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline __m512 load16(const float* p) noexcept {
  return _mm512_loadu_ps(p);
}

/// Sixteen bf16 widened: their bits are the upper halves.
inline __m512 load16(const std::uint16_t* p) noexcept {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/// Twelve rows by two panels fill 24 of 32 registers with sums: a block step of the decoder is one tile. Fewer rows
/// take more panels side by side to hide the latency of the multiply-add.
struct Micro {
  static constexpr int MR = 12;
  static constexpr int NR(int rows) { return kPanel * (rows <= 6 ? 4 : 2); }

  template <int R, int P, class W>
  static void tile(const TileCall<W>& t) noexcept {
    static_assert(R <= 12 && P <= 4, "the loops are unrolled so far");
    __m512 sum[std::size_t(R)][std::size_t(P)];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p)
        sum[r][p] = t.load ? _mm512_loadu_ps(t.c + r * t.ldc + p * t.c_stride) : _mm512_setzero_ps();
    const float* a = t.a;
    const W* b = t.b;
    const char* ahead = t.ahead;
    for (i64 k = 0; k < t.k; ++k, ++a, b += kPanel, ahead += t.ahead_step) {
      __m512 w[std::size_t(P)];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        __builtin_prefetch(ahead + p * t.ahead_stride, 0, 2);
        w[p] = load16(b + p * t.b_stride);
      }
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const __m512 x = _mm512_set1_ps(a[r * t.lda]);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) sum[r][p] = _mm512_fmadd_ps(x, w[p], sum[r][p]);
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) _mm512_storeu_ps(t.c + r * t.ldc + p * t.c_stride, sum[r][p]);
  }

  static void widen(const std::uint16_t* b, i64 count, float* out) noexcept {
    for (i64 i = 0; i < count; i += 16) _mm512_storeu_ps(out + i, load16(b + i));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
