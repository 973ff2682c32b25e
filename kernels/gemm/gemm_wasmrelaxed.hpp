#pragma once

#include "../qgemm/lanes_wasmrelaxed.hpp"
#include "gemm_wasm.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// The register tile on an engine whose relaxed_madd rounds once.
struct FusedFloats {
  static v128_t multiply_add(v128_t a, v128_t b, v128_t c) noexcept { return FusedLanes::fma(a, b, c); }
};

using FusedMicro = HalfPanelMicro<FusedFloats, 6>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
