#pragma once

#include <arm_neon.h>

#include "../kernels.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors, four of them a panel, for the integer products.
struct Lanes {
  using Int = int32x4_t;
  using Float = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kQ8Zero = 0;  // weights are signed after dot_bytes

  static Float load(const float* p) noexcept { return vld1q_f32(p); }
  static void store(float* p, Float x) noexcept { vst1q_f32(p, x); }
  static Float splat(float x) noexcept { return vdupq_n_f32(x); }
  static Float mul(Float a, Float b) noexcept { return vmulq_f32(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return vfmaq_f32(c, a, b); }
  static Float fnma(Float a, Float b, Float c) noexcept { return vfmsq_f32(c, a, b); }
  static Float to_float(Int x) noexcept { return vcvtq_f32_s32(x); }
  static Float load_half(const std::uint16_t* p) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static Float load_bytes(const std::uint8_t* p) noexcept {
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
  }

  static Int zeros() noexcept { return vdupq_n_s32(0); }
  /// Sums stay where they are, as in lanes_avx2.hpp.
  static Int settle(Int sum) noexcept {
    asm("" : "+w"(sum));
    return sum;
  }
  static Int add32(Int a, Int b) noexcept { return vaddq_s32(a, b); }
  static Int load_bits(const void* p) noexcept {
    return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
  }
  static Int splat_four(const void* p) noexcept {
    std::int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vdupq_n_s32(four);
  }
  static Int low_nibbles(Int x) noexcept {
    return vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(x), vdupq_n_u8(15)));
  }
  static Int high_nibbles(Int x) noexcept {
    return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(x), 4));
  }
  /// 8-bit weights less 128, as signed bytes.
  static Int dot_bytes(Int x) noexcept {
    return vreinterpretq_s32_u8(veorq_u8(vreinterpretq_u8_s32(x), vdupq_n_u8(128)));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
