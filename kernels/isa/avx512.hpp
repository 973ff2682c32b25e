#pragma once

// 512-bit AVX-512 with F, BW, CD, DQ and VL: Skylake-X, Zen 4 and later.

// g++ 12 takes the undefined operands inside its own intrinsics for mistakes.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define LA_KERNELS_NAMESPACE avx512
#include "../gemm/gemm_avx512.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_avx512.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_avx512(Table& t) noexcept {
  t.isa = "avx512";
  avx512::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels

#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
