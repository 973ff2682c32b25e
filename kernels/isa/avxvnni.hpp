#pragma once

// avx2 with the 8-bit dot products of AVX-VNNI: Alder Lake, Zen 5 and later.

#define LA_KERNELS_NAMESPACE avxvnni
#include "../gemm/gemm_avx2.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_avxvnni.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_avxvnni(Table& t) noexcept {
  t.isa = "avxvnni";
  avxvnni::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
