#pragma once

// wasm with the products of relaxed-simd. What the standard leaves open of them is taken where this engine was found to give
// the bits that are wanted.

#define LA_KERNELS_NAMESPACE wasmrelaxed
#include "../gemm/gemm_wasmrelaxed.hpp"
#include "../attention/attention_streaming.hpp"
#include "../elementwise/elementwise_vector.hpp"
#include "../qgemm/qgemm_wasmrelaxed.hpp"
#include "fill_vector.hpp"
#undef LA_KERNELS_NAMESPACE

namespace la::inline LA_ABI::kernels {

LA_KERNELS_INLINE void override_wasmrelaxed(Table& t) noexcept {
  using namespace wasmrelaxed;
  t.isa = "wasmrelaxed";
  fill_vector(t);
  const volatile int zero = 0;
  const RelaxedEngine engine = relaxed_engine(zero);
  if (!engine.fused) return;
  t.gemm[PanelFormat::f32] = gemm_blocked<FusedMicro, float>;
  t.gemm[PanelFormat::bf16] = gemm_blocked<FusedMicro, std::uint16_t>;
  t.gemm[PanelFormat::q8] = gemm_blocked<FusedMicro, Q8Block>;
  t.gemm[PanelFormat::q4_g128] = gemm_blocked<FusedMicro, Q4Block<128>>;
  t.gemm[PanelFormat::q4_g32] = gemm_blocked<FusedMicro, Q4Block<32>>;
  t.attention = attention_streaming<FusedMicro>;
  fill_qgemm<RelaxedMicro<FusedLanes, false>>(t);
  if (engine.unsigned_bytes)
    t.qgemm[PanelFormat::q8] = qgemm_blocked<RelaxedMicro<ByteLanes<false>, true>, Q8Block>;
  if (engine.signed_bytes)
    t.qgemm[PanelFormat::q8] = qgemm_blocked<RelaxedMicro<ByteLanes<true>, true>, Q8Block>;
}

}  // namespace la::inline LA_ABI::kernels
