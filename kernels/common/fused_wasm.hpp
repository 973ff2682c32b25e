#pragma once

#include <wasm_simd128.h>

#include "../kernels.hpp"

// WebAssembly has no fused multiply-add whose bits are certain. This one goes through doubles, for the few places where
// every instruction set must give the same bits.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// a b + c, rounded once, when the double `sum` of the exact product and c was rounded already: what was lost of it goes
/// into its last bit (rounding to odd), which no half way between floats survives.
/// source: Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums
inline double round_to_odd(double product, double c, double sum) noexcept {
  const double rest = sum - product;
  const double lost = (product - (sum - rest)) + (c - rest);
  std::uint64_t bits;
  __builtin_memcpy(&bits, &sum, sizeof bits);
  if (lost == 0 || lost != lost || (bits & 1) != 0) return sum;
  bits += (lost > 0) == (sum > 0) ? 1 : -1;
  __builtin_memcpy(&sum, &bits, sizeof sum);
  return sum;
}

/// Apart, since it is rare: inlined, it would be most of the code.
[[gnu::noinline]] inline v128_t two_to_odd(v128_t product, v128_t c, v128_t sum) noexcept {
  return wasm_f64x2_make(round_to_odd(wasm_f64x2_extract_lane(product, 0), wasm_f64x2_extract_lane(c, 0),
                                      wasm_f64x2_extract_lane(sum, 0)),
                         round_to_odd(wasm_f64x2_extract_lane(product, 1), wasm_f64x2_extract_lane(c, 1),
                                      wasm_f64x2_extract_lane(sum, 1)));
}

/// Two lanes of fused4(): their doubles, which lie no half way between floats.
[[gnu::always_inline]] inline v128_t fused_half(v128_t a, v128_t b, v128_t c) noexcept {
  const v128_t product = wasm_f64x2_mul(a, b);  // 24 + 24 bits fit 53
  const v128_t sum = wasm_f64x2_add(product, c);
  // Half way between two floats, subnormal ones too, these bits are zero; else the second rounding is as good as one.
  const v128_t half_way =
      wasm_i64x2_eq(wasm_v128_and(sum, wasm_i64x2_const(0x0fffffff, 0x0fffffff)), wasm_i64x2_const(0, 0));
  return __builtin_expect(wasm_v128_any_true(half_way), 0) ? two_to_odd(product, c, sum) : sum;
}

/// a b + c of four floats, rounded once.
[[gnu::always_inline]] inline v128_t fused4(v128_t a, v128_t b, v128_t c) noexcept {
  const auto high = [](v128_t x) { return wasm_f64x2_promote_low_f32x4(wasm_i64x2_shuffle(x, x, 1, 1)); };
  const v128_t low = wasm_f32x4_demote_f64x2_zero(fused_half(
      wasm_f64x2_promote_low_f32x4(a), wasm_f64x2_promote_low_f32x4(b), wasm_f64x2_promote_low_f32x4(c)));
  return wasm_i64x2_shuffle(low, wasm_f32x4_demote_f64x2_zero(fused_half(high(a), high(b), high(c))), 0, 2);
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
