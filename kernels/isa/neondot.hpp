#pragma once

// neon with the 8-bit dot products of ARMv8.2: Neoverse N1, Cortex-A76, Apple M1 and later.

#define LA_KERNELS_NAMESPACE neondot
#include "../gemm/gemm_neon.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_neondot.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_neondot(Table& t) noexcept {
  t.isa = "neondot";
  neondot::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
