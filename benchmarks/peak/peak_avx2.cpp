#include <immintrin.h>

#define LA_KEEP(v) asm volatile("" : "+x"(v))
#include "probe.hpp"

namespace la::peak {

Probes avx2() {
  Probe* fma = [](std::int64_t rounds) {
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-9f);
    return run_chains(b, rounds, 2.0 * 8, [=](__m256 v) { return _mm256_fmadd_ps(v, a, b); });
  };
  Probe* int8 = [](std::int64_t rounds) {
    const __m256i u = _mm256_set1_epi8(3), s = _mm256_set1_epi8(-5), ones = _mm256_set1_epi16(1);
    return run_chains(s, rounds, 2.0 * 32, [=](__m256i v) {
      // The operand depends on nothing but a register the compiler cannot see through, so no step is hoisted.
      __m256i w = u;
      LA_KEEP(w);
      return _mm256_add_epi32(v, _mm256_madd_epi16(_mm256_maddubs_epi16(w, s), ones));
    });
  };
  return {"avx2", fma, int8, "maddubs + madd + add, 256 bits"};
}

}  // namespace la::peak
