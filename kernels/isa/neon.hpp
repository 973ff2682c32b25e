#pragma once

// 128-bit NEON of every aarch64 processor.

#define LA_KERNELS_NAMESPACE neon
#include "../gemm/gemm_neon.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_neon.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_neon(Table& t) noexcept {
  t.isa = "neon";
  neon::fill_vector(t);
}

}  // namespace la::inline LA_ABI::kernels
