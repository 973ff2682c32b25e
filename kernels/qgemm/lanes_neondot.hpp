#pragma once

#include "lanes_neon.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors with dot products of signed bytes, by lane.
struct DotLanes : Lanes {
  /// sum + w times the four bytes x[4 Lane ..] in every lane. As an intrinsic g++ 12 copies sums from register to register,
  /// and moves loads so far ahead that sums are spilled; volatile keeps the order as written.
  template <int Lane>
  static void dot_lane(Int& sum, Int w, int8x16_t x) noexcept {
    asm volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(sum) : "w"(w), "w"(x), "i"(Lane));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
