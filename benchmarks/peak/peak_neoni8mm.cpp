#include <arm_neon.h>

#define LA_KEEP(v) asm volatile("" : "+w"(v))
#include "probe.hpp"

namespace la::peak {

Probes neoni8mm() {
  Probe* int8 = [](std::int64_t rounds) {
    const int8x16_t u = vdupq_n_s8(3), s = vdupq_n_s8(-5);
    return run_chains(vdupq_n_s32(0), rounds, 2.0 * 32, [=](int32x4_t v) { return vmmlaq_s32(v, u, s); });
  };
  return {"neoni8mm", neon().fma, int8, "smmla, 128 bits"};
}

}  // namespace la::peak
