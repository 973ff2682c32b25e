#pragma once

#include "lanes_wasm.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors with products of signed bytes and of bytes of 7 bits.
struct DotLanes : Lanes {
  /// sum + four products a 32-bit lane. Engines differ in how they take the 8th bit of w, which is 0 here, and whether
  /// pairs saturate, which 2 * 127 * 128 does not.
  static Int dot(Int sum, Int w, Int x) noexcept { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sum); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
