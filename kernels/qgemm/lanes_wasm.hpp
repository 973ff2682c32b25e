#pragma once

#include <wasm_simd128.h>

#include "../common/fused_wasm.hpp"
#include "../kernels.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors of WebAssembly, four of them a panel, for the integer products.
struct Lanes {
  using Int = v128_t;
  using Float = v128_t;
  static constexpr int kLanes = 4;
  static constexpr int kQ8Zero = 128;  // 8-bit weights are multiplied as stored

  static Float load(const float* p) noexcept { return wasm_v128_load(p); }
  static void store(float* p, Float x) noexcept { wasm_v128_store(p, x); }
  static Float splat(float x) noexcept { return wasm_f32x4_splat(x); }
  static Float mul(Float a, Float b) noexcept { return wasm_f32x4_mul(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return fused4(a, b, c); }
  /// For zero points alone, whose products and differences are integers below 2^24: nothing is rounded.
  static Float fnma(Float a, Float b, Float c) noexcept { return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b)); }
  static Float to_float(Int x) noexcept { return wasm_f32x4_convert_i32x4(x); }
  /// As widen_halves() of common/dequantize.hpp.
  static Float load_half(const std::uint16_t* p) noexcept {
    const v128_t h = wasm_u32x4_load16x4(p);
    const v128_t magnitude = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x7fff)), 13);
    const v128_t full = wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x0f7fffff));
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x8000)), 16);
    const v128_t exponent = wasm_v128_and(full, wasm_i32x4_splat(0x7f800000));
    return wasm_v128_or(wasm_f32x4_mul(magnitude, wasm_f32x4_splat(0x1p112f)), wasm_v128_or(sign, exponent));
  }
  static Float load_bytes(const std::uint8_t* p) noexcept {
    return to_float(wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p))));
  }

  static Int zeros() noexcept { return wasm_i32x4_splat(0); }
  static Int settle(Int sum) noexcept { return sum; }
  static Int add32(Int a, Int b) noexcept { return wasm_i32x4_add(a, b); }
  static Int load_bits(const void* p) noexcept { return wasm_v128_load(p); }
  static void store_bits(void* p, Int x) noexcept { wasm_v128_store(p, x); }
  static Int splat_four(const void* p) noexcept { return wasm_v128_load32_splat(p); }
  /// Engines make a constant anew wherever it is used, which takes three instructions; this one, whose value is hidden from
  /// the compiler, stays in a register.
  static Int hidden_splat(int bits) noexcept {
    asm("" : "+r"(bits));
    return wasm_i32x4_splat(bits);
  }
  static Int low_nibbles(Int x) noexcept { return wasm_v128_and(x, wasm_i8x16_splat(15)); }
  static Int high_nibbles(Int x) noexcept { return low_nibbles(wasm_u16x8_shr(x, 4)); }

  /// s16 pairs to s32, exact.
  static Int madd(Int a, Int b) noexcept { return wasm_i32x4_dot_i16x8(a, b); }
  static Int even_signed(Int x) noexcept { return wasm_i16x8_shr(wasm_i16x8_shl(x, 8), 8); }
  static Int odd_signed(Int x) noexcept { return wasm_i16x8_shr(x, 8); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
