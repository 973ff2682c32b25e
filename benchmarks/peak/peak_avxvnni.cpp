#include <immintrin.h>

#define LA_KEEP(v) asm volatile("" : "+x"(v))
#include "probe.hpp"

namespace la::peak {

Probes avxvnni() {
  Probe* int8 = [](std::int64_t rounds) {
    const __m256i u = _mm256_set1_epi8(3), s = _mm256_set1_epi8(-5);
    return run_chains(s, rounds, 2.0 * 32, [=](__m256i v) { return _mm256_dpbusd_avx_epi32(v, u, s); });
  };
  return {"avxvnni", avx2().fma, int8, "dpbusd, 256 bits"};
}

}  // namespace la::peak
