#pragma once

// 128-bit vectors of WebAssembly (simd128). xsimd is taken with its SSE4.1, which emscripten's headers translate.

#define LA_KERNELS_NAMESPACE wasm
#include "../gemm/gemm_wasm.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_wasm.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_wasm(Table& t) noexcept {
  t.isa = "wasm";
  wasm::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
