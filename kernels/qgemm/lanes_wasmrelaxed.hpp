#pragma once

#include "lanes_wasm.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors with products of signed bytes and of bytes of 7 bits.
struct DotLanes : Lanes {
  static constexpr int kQ8Zero = 127;  // one less than stored, see low_part

  /// sum + four products a 32-bit lane. Engines differ in how they take the 8th bit of w, which is 0 here, and whether
  /// pairs saturate, which 2 * 127 * 128 does not.
  static Int dot(Int sum, Int w, Int x) noexcept { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sum); }

  /// 8-bit weights from 1 to 255, less one, as a sum of two of 7 bits: min(w - 1, 127) and max(w - 128, 0).
  static Int low_part(Int w) noexcept {
    return wasm_u8x16_min(wasm_i8x16_sub(w, wasm_i8x16_splat(1)), wasm_i8x16_splat(127));
  }
  static Int high_part(Int w) noexcept { return wasm_u8x16_sub_sat(w, wasm_i8x16_splat(-128)); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
