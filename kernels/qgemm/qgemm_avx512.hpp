#pragma once

#include "lanes_avx512.hpp"
#include "qgemm_pairs.hpp"

namespace la::kernels::avx512 {

struct PairLanes : Lanes512 {
  static constexpr int kQ8Zero = 128;  // 8-bit weights are multiplied as stored
  static constexpr int kRows4 = 12, kRows8 = 12;
  static constexpr int pair_panels(int) { return 1; }

  static void store_bits(void* p, Int x) noexcept { _mm512_storeu_si512(p, x); }
  static Int settle(Int sum) noexcept {
    return sum;
  }  // 32 registers suffice without help, see qgemm_avx2.hpp
  static Int ones16() noexcept { return _mm512_set1_epi16(1); }
  static Int add16(Int a, Int b) noexcept { return _mm512_add_epi16(a, b); }
  static Int maddubs(Int u8, Int s8) noexcept { return _mm512_maddubs_epi16(u8, s8); }
  static Int madd(Int a, Int b) noexcept { return _mm512_madd_epi16(a, b); }
  static Int even_unsigned(Int x) noexcept { return _mm512_and_si512(x, _mm512_set1_epi16(255)); }
  static Int odd_unsigned(Int x) noexcept { return _mm512_srli_epi16(x, 8); }
  static Int even_signed(Int x) noexcept { return _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8); }
  static Int odd_signed(Int x) noexcept { return _mm512_srai_epi16(x, 8); }
};

inline void override_qgemm(Table& t) noexcept {
  t.qgemm_q8 = qgemm_blocked<PairMicro<PairLanes>, Q8Block>;
  t.qgemm_q4_g128 = qgemm_blocked<PairMicro<PairLanes>, Q4Block<128>>;
  t.qgemm_q4_g32 = qgemm_blocked<PairMicro<PairLanes>, Q4Block<32>>;
}

}  // namespace la::kernels::avx512
