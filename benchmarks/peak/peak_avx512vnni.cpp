#include <immintrin.h>

#define LA_KEEP(v) asm volatile("" : "+v"(v))
#include "probe.hpp"

namespace la::peak {

Probes avx512vnni() {
  Probe* int8 = [](std::int64_t rounds) {
    const __m512i u = _mm512_set1_epi8(3), s = _mm512_set1_epi8(-5);
    return run_chains(s, rounds, 2.0 * 64, [=](__m512i v) { return _mm512_dpbusd_epi32(v, u, s); });
  };
  return {"avx512vnni", avx512().fma, int8, "dpbusd, 512 bits"};
}

}  // namespace la::peak
