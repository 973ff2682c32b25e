#pragma once

#include "lanes_avx2.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 256-bit vectors with dot products of unsigned and signed bytes.
struct DotLanes : Lanes {
  /// Four activations to all lanes, and their products with 16 weights each added to two sums. As intrinsics g++ 12 loads
  /// the activations of other rows ahead, copies sums and spills them; volatile keeps the order as written.
  static void dot_row(Int& left_sum, Int& right_sum, Int left, Int right, const std::int8_t* four) noexcept {
#if defined(LA_KERNELS_SIMDE)
    const Int x = splat_four(four);
    left_sum = simde_mm256_dpbusd_epi32(left_sum, left, x);
    right_sum = simde_mm256_dpbusd_epi32(right_sum, right, x);
#else
    Int x;
    asm volatile("vpbroadcastd %3, %2\n\t" LA_KERNELS_DPBUSD " %2, %4, %0\n\t" LA_KERNELS_DPBUSD " %2, %5, %1"
                 : "+x"(left_sum), "+x"(right_sum), "=&x"(x)
                 : "m"(*reinterpret_cast<const std::int8_t(*)[4]>(four)), "x"(left), "x"(right));
#endif
  }

  /// The same address, of which nothing is known: what was read there is read again, not kept in registers.
  static const void* anew(const void* p) noexcept {
    asm volatile("" : "+r"(p));
    return p;
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
