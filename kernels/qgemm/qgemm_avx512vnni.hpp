#pragma once

#include "lanes_avx512.hpp"
#include "qgemm_dot.hpp"

namespace la::kernels::avx512vnni {

struct DotLanes : Lanes512 {
  static constexpr int kQ8Zero = 128;  // dpbusd takes unsigned weights: 8-bit ones as they are stored
  static constexpr int kDotRows = 12;
  static constexpr int dot_panels(int rows) { return rows == 1 || rows > 6 ? 1 : 2; }

  static Int dot_bytes(Int x) noexcept { return x; }
  static Int dot(Int sum, Int w, Int x) noexcept { return _mm512_dpbusd_epi32(sum, w, x); }
};

inline void override_qgemm(Table& t) noexcept {
  t.qgemm_q8 = qgemm_blocked<DotMicro<DotLanes>, Q8Block>;
  t.qgemm_q4_g128 = qgemm_blocked<DotMicro<DotLanes>, Q4Block<128>>;
  t.qgemm_q4_g32 = qgemm_blocked<DotMicro<DotLanes>, Q4Block<32>>;
}

}  // namespace la::kernels::avx512vnni
