#pragma once

// neondot with the 8-bit matrix products of ARMv8.6: Neoverse V1 and N2, Cortex-A510 and A710, Apple M2 and later.

#define LA_KERNELS_NAMESPACE neoni8mm
#include "../gemm/gemm_neon.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_neoni8mm.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_neoni8mm(Table& t) noexcept {
  t.isa = "neoni8mm";
  neoni8mm::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
