#pragma once

// 128-bit NEON of every aarch64 processor.

#define LA_KERNELS_NAMESPACE neon
#include "../gemm/gemm_neon.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_neon.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::kernels::neon {

inline void override_entries(Table& t) noexcept {
  t.isa = "neon";
  fill_vector(t);
  override_qgemm(t);
}

}  // namespace la::kernels::neon
