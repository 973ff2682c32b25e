#pragma once

#include "../qgemm/quantize_vector.hpp"

// What every vector instruction set provides: the same loops around its own register tile and vectors.
namespace la::kernels::LA_KERNELS_NAMESPACE {

inline void fill_vector(Table& t) noexcept {
  t.gemm_f32 = gemm_blocked<Micro, float>;
  t.gemm_bf16 = gemm_blocked<Micro, std::uint16_t>;
  t.gemm_q8 = gemm_blocked<Micro, Q8Block>;
  t.gemm_q4_g128 = gemm_blocked<Micro, Q4Block<128>>;
  t.gemm_q4_g32 = gemm_blocked<Micro, Q4Block<32>>;
  t.quantize = quantize;
  t.attention = attention_streaming<Micro>;
  t.layer_norm = layer_norm;
  t.rms_norm = rms_norm;
  t.rope_interleaved = rope_interleaved;
  t.rope_halves = rope_halves;
  t.gelu_tanh = gelu_tanh;
  t.gelu_erf = gelu_erf;
  t.swiglu = swiglu;
  t.add = add;
  t.softmax = softmax;
}

}  // namespace la::kernels::LA_KERNELS_NAMESPACE
