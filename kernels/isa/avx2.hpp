#pragma once

// 256-bit AVX2 with FMA and F16C: Haswell, Zen and later.

#define LA_KERNELS_NAMESPACE avx2
#include "../gemm/gemm_avx2.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_avx2.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_avx2(Table& t) noexcept {
  t.isa = "avx2";
  avx2::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
