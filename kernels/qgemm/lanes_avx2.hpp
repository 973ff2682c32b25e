#pragma once

#include "../common/intrinsics_x86.hpp"
#include "../kernels.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 256-bit vectors, two of them a panel, for the integer products; they multiply by pairs.
struct Lanes {
  using Int = __m256i;
  using Float = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kQ8Zero = 128;  // 8-bit weights are multiplied as stored

  static Float load(const float* p) noexcept { return _mm256_loadu_ps(p); }
  static void store(float* p, Float x) noexcept { _mm256_storeu_ps(p, x); }
  static Float splat(float x) noexcept { return _mm256_set1_ps(x); }
  static Float mul(Float a, Float b) noexcept { return _mm256_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  static Float fnma(Float a, Float b, Float c) noexcept { return _mm256_fnmadd_ps(a, b, c); }
  static Float to_float(Int x) noexcept { return _mm256_cvtepi32_ps(x); }
  static Float load_half(const std::uint16_t* p) noexcept {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Float load_bytes(const std::uint8_t* p) noexcept {
    return to_float(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  static Int zeros() noexcept { return _mm256_setzero_si256(); }
  static Int load_bits(const void* p) noexcept { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store_bits(void* p, Int x) noexcept { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static Int splat_four(const void* p) noexcept {
    int four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Int low_nibbles(Int x) noexcept { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
  static Int high_nibbles(Int x) noexcept { return low_nibbles(_mm256_srli_epi16(x, 4)); }

  /// Sums stay in order and in their registers: g++ would regroup them, keep products for later, copy and spill.
  static Int settle(Int sum) noexcept {
    asm("" : "+x"(sum));
    return sum;
  }
  static Int ones16() noexcept { return _mm256_set1_epi16(1); }
  static Int add16(Int a, Int b) noexcept { return _mm256_add_epi16(a, b); }
  static Int add32(Int a, Int b) noexcept { return _mm256_add_epi32(a, b); }
  static Int maddubs(Int u8, Int s8) noexcept { return _mm256_maddubs_epi16(u8, s8); }
  static Int madd(Int a, Int b) noexcept { return _mm256_madd_epi16(a, b); }
  static Int even_unsigned(Int x) noexcept { return _mm256_and_si256(x, _mm256_set1_epi16(255)); }
  static Int odd_unsigned(Int x) noexcept { return _mm256_srli_epi16(x, 8); }
  static Int even_signed(Int x) noexcept { return _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8); }
  static Int odd_signed(Int x) noexcept { return _mm256_srai_epi16(x, 8); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
