#pragma once

#include "lanes_wasm.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors with products of signed bytes and of bytes of 7 bits.
struct DotLanes : Lanes {
  /// sum + four products a 32-bit lane. Engines differ in how they take the 8th bit of w, which is 0 here, and whether
  /// pairs saturate, which 2 * 127 * 128 does not.
  static Int dot(Int sum, Int w, Int x) noexcept { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sum); }
};

/// The same on an engine whose relaxed_madd rounds once.
struct FusedLanes : DotLanes {
  static Float fma(Float a, Float b, Float c) noexcept { return wasm_f32x4_relaxed_madd(a, b, c); }
};

/// The same on an engine that takes all 8 bits of w and adds four products exactly: dpbusd, or sdot.
template <bool Signed>
struct ByteLanes : FusedLanes {
  static constexpr int kQ8Zero = Signed ? 0 : 128;
  /// Weights as they are stored, or their values.
  static Int dot_bytes(Int w) noexcept { return Signed ? wasm_v128_xor(w, wasm_i8x16_splat(-128)) : w; }
};

/// What an engine makes of instructions that the standard leaves open.
struct RelaxedEngine {
  bool fused = false;           ///< relaxed_madd rounds once
  bool unsigned_bytes = false;  ///< the product of bytes takes all 8 bits of its second operand, unsigned
  bool signed_bytes = false;    ///< or signed
};

/// Asks this engine. zero: 0, which no compiler may know
inline RelaxedEngine relaxed_engine(int zero) noexcept {
  RelaxedEngine is{.fused = true, .unsigned_bytes = true, .signed_bytes = true};
  std::uint32_t state = std::uint32_t(zero) + 1;
  const auto next = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  for (int round = 0; round < 64; ++round) {
    std::int8_t x[16], w[16];
    std::int32_t sum[4], unsigned_sum[4], signed_sum[4];
    float a[4], b[4], c[4];
    for (int i = 0; i < 16; ++i) {
      x[i] = round < 4 ? std::int8_t(round % 2 == 0 ? -128 : 127) : std::int8_t(next());
      w[i] = round < 4 ? std::int8_t(round / 2 == 0 ? -1 : -128) : std::int8_t(next());  // 255 and 128
    }
    for (int lane = 0; lane < 4; ++lane) {
      unsigned_sum[lane] = signed_sum[lane] = sum[lane] = std::int32_t(next());
      for (int i = 4 * lane; i < 4 * lane + 4; ++i) {
        unsigned_sum[lane] += x[i] * int(std::uint8_t(w[i]));
        signed_sum[lane] += x[i] * w[i];
      }
      // The rounded product and c cancel out: what is left was lost in rounding.
      a[lane] = 1 + float(next() | 1) * 0x1p-24f;
      b[lane] = 1 + float(next() | 1) * 0x1p-24f;
      c[lane] = -(a[lane] * b[lane]);
    }
    const v128_t dot = DotLanes::dot(wasm_v128_load(sum), wasm_v128_load(w), wasm_v128_load(x));
    const v128_t rest = FusedLanes::fma(wasm_v128_load(a), wasm_v128_load(b), wasm_v128_load(c));
    const auto same = [](v128_t one, const void* other) {
      return !wasm_v128_any_true(wasm_v128_xor(one, wasm_v128_load(other)));
    };
    is.unsigned_bytes &= same(dot, unsigned_sum);
    is.signed_bytes &= same(dot, signed_sum);
    float exact[4];
    for (int lane = 0; lane < 4; ++lane)
      exact[lane] = float(double(a[lane]) * double(b[lane]) + double(c[lane]));
    is.fused &= same(rest, exact);
  }
  return is;
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
