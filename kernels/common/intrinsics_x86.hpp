#pragma once

// The vector intrinsics of x86, for kernel headers. With LA_KERNELS_SIMDE they are SIMDe's portable ones, so that
// AVX-512 kernels can be tested on a CPU without it; SIMDe's functions are static, so nothing is left to the linker.
#if defined(LA_KERNELS_SIMDE)

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

// Conversions that SIMDe 0.7.4 lacks, as two halves.
static inline __m512i la_simde_join(__m256i low, __m256i high) {
  return _mm512_inserti32x8(_mm512_castsi256_si512(low), high, 1);
}
static inline __m512 la_simde_join(__m256 low, __m256 high) {
  return _mm512_castsi512_ps(la_simde_join(_mm256_castps_si256(low), _mm256_castps_si256(high)));
}
static inline __m512i la_simde_cvtepu16_epi32(__m256i x) {
  return la_simde_join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
                       _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1)));
}
static inline __m512i la_simde_cvtepu8_epi32(__m128i x) {
  return la_simde_join(_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)));
}
static inline __m512i la_simde_cvtepi8_epi32(__m128i x) {
  return la_simde_join(_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)));
}
static inline __m512 la_simde_cvtph_ps(__m256i x) {
  return la_simde_join(_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
                       _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1)));
}
static inline __m512 la_simde_cvtepi32_ps(__m512i x) {
  return la_simde_join(_mm256_cvtepi32_ps(_mm512_castsi512_si256(x)),
                       _mm256_cvtepi32_ps(_mm512_extracti64x4_epi64(x, 1)));
}
// SIMDe 0.7.4 gives this name the arguments of the masked one.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtepu16_epi32 la_simde_cvtepu16_epi32
#define _mm512_cvtepu8_epi32 la_simde_cvtepu8_epi32
#define _mm512_cvtepi8_epi32 la_simde_cvtepi8_epi32
#define _mm512_cvtph_ps la_simde_cvtph_ps
#define _mm512_cvtepi32_ps la_simde_cvtepi32_ps
#define LA_KERNELS_KEEP_512(x) ((void)0)

#else
#include <immintrin.h>
/// x stays in the register where it is: the compiler may neither defer its sum nor copy it.
#define LA_KERNELS_KEEP_512(x) asm("" : "+v"(x))
/// 256-bit dpbusd in the encoding of AVX-VNNI, or in that of AVX-512 VL and VNNI, for CPUs with these alone to test it.
#if defined(LA_KERNELS_DPBUSD_EVEX)
#define LA_KERNELS_DPBUSD "%{evex%} vpdpbusd"
#else
#define LA_KERNELS_DPBUSD "%{vex%} vpdpbusd"
#endif
#endif
