#pragma once

// wasm with the products of 8 by 7 bits of relaxed-simd, and nothing else of it: what its other instructions give is not
// the same on every engine.

#define LA_KERNELS_NAMESPACE wasmrelaxed
#include "../gemm/gemm_wasm.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_wasmrelaxed.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_wasmrelaxed(Table& t) noexcept {
  t.isa = "wasmrelaxed";
  wasmrelaxed::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
