#pragma once

#include "lanes_avx2.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 256-bit vectors with dot products of unsigned and signed bytes, in AVX-VNNI's encoding.
struct DotLanes : Lanes {
  static Int dot_bytes(Int x) noexcept { return x; }
  static Int dot(Int sum, Int w, Int x) noexcept { return _mm256_dpbusd_avx_epi32(sum, w, x); }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
