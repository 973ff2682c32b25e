#include <immintrin.h>

#define LA_KEEP(v) asm volatile("" : "+v"(v))
#include "probe.hpp"

namespace la::peak {

Probes avx512() {
  Probe* fma = [](std::int64_t rounds) {
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-9f);
    return run_chains(b, rounds, 2.0 * 16, [=](__m512 v) { return _mm512_fmadd_ps(v, a, b); });
  };
  Probe* int8 = [](std::int64_t rounds) {
    const __m512i u = _mm512_set1_epi8(3), s = _mm512_set1_epi8(-5), ones = _mm512_set1_epi16(1);
    return run_chains(s, rounds, 2.0 * 64, [=](__m512i v) {
      __m512i w = u;
      LA_KEEP(w);
      return _mm512_add_epi32(v, _mm512_madd_epi16(_mm512_maddubs_epi16(w, s), ones));
    });
  };
  return {"avx512", fma, int8, "maddubs + madd + add, 512 bits"};
}

}  // namespace la::peak
