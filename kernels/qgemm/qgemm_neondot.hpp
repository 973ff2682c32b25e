#pragma once

#include "lanes_neon.hpp"
#include "qgemm_dot.hpp"

namespace la::kernels::neondot {

struct DotLanes : LanesNeon {
  static constexpr int kDotRows = 4;  // 16 sums, 8 expanded vectors of 4-bit weights, the activations
  static constexpr int dot_panels(int) { return 1; }

  static Int dot(Int sum, Int w, Int x) noexcept {
    return vdotq_s32(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
  }
};

inline void override_qgemm(Table& t) noexcept {
  t.qgemm_q8 = qgemm_blocked<DotMicro<DotLanes>, Q8Block>;
  t.qgemm_q4_g128 = qgemm_blocked<DotMicro<DotLanes>, Q4Block<128>>;
  t.qgemm_q4_g32 = qgemm_blocked<DotMicro<DotLanes>, Q4Block<32>>;
}

}  // namespace la::kernels::neondot
