#pragma once

// avx512vnni with the 8-bit tiles of AMX: Sapphire Rapids and later Xeons.

// g++ 12 takes the undefined operands inside its own intrinsics for mistakes.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define LA_KERNELS_NAMESPACE amx
#include "../gemm/gemm_avx512.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_amx.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_amx(Table& t) noexcept {
  t.isa = "amx";
  amx::fill_vector(t);
  amx::fill_qgemm_amx(t);
}

}  // namespace la::inline LA_ABI::kernels

#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
