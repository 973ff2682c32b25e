#pragma once

#include "lanes_avx512.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 512-bit vectors with dot products of unsigned and signed bytes: 8-bit weights are multiplied as they are stored.
struct DotLanes : Lanes {
  static Int dot_bytes(Int x) noexcept { return x; }
  static Int dot(Int sum, Int w, Int x) noexcept { return _mm512_dpbusd_epi32(sum, w, x); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
