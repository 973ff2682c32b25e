#pragma once

#include "../qgemm/quantize_vector.hpp"

// What every vector instruction set provides: the same loops around its own register tiles (Micro of gemm/, QMicro of
// qgemm/) and vectors.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline void fill_vector(Table& t) noexcept {
  t.gemm[PanelFormat::f32] = gemm_blocked<Micro, float>;
  t.gemm[PanelFormat::bf16] = gemm_blocked<Micro, std::uint16_t>;
  t.gemm[PanelFormat::q8] = gemm_blocked<Micro, Q8Block>;
  t.gemm[PanelFormat::q4_g128] = gemm_blocked<Micro, Q4Block<128>>;
  t.gemm[PanelFormat::q4_g32] = gemm_blocked<Micro, Q4Block<32>>;
  t.quantize = quantize;
  fill_qgemm<QMicro>(t);
  t.attention = attention_streaming<Micro>;
  t.attention_merge = merge_streaming;
  t.layer_norm = layer_norm;
  t.rms_norm = rms_norm;
  t.rope_interleaved = rope_interleaved;
  t.rope_halves = rope_halves;
  t.gelu_tanh = gelu_tanh;
  t.gelu_erf = gelu_erf;
  t.swiglu = swiglu;
  t.softmax = softmax;
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
