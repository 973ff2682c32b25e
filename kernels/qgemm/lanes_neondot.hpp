#pragma once

#include "lanes_neon.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// 128-bit vectors with dot products of signed bytes.
struct DotLanes : Lanes {
  static Int dot(Int sum, Int w, Int x) noexcept {
    return vdotq_s32(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
  }
};

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
