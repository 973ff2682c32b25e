#include <arm_neon.h>

#define LA_KEEP(v) asm volatile("" : "+w"(v))
#include "probe.hpp"

namespace la::peak {

Probes neon() {
  Probe* fma = [](std::int64_t rounds) {
    const float32x4_t a = vdupq_n_f32(0.999f), b = vdupq_n_f32(1e-9f);
    return run_chains(b, rounds, 2.0 * 4, [=](float32x4_t v) { return vfmaq_f32(b, v, a); });
  };
  Probe* int8 = [](std::int64_t rounds) {
    const int8x16_t u = vdupq_n_s8(3), s = vdupq_n_s8(-5);
    return run_chains(vdupq_n_s32(0), rounds, 2.0 * 16, [=](int32x4_t v) {
      int8x16_t w = u;
      LA_KEEP(w);
      const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(s));
      return vpadalq_s16(v, vmlal_s8(low, vget_high_s8(w), vget_high_s8(s)));
    });
  };
  return {"neon", fma, int8, "smull + smlal + sadalp, 128 bits"};
}

}  // namespace la::peak
