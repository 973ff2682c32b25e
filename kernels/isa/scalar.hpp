#pragma once

#include "../attention/attention_scalar.hpp"
#include "../elementwise/elementwise_scalar.hpp"
#include "../gemm/gemm_scalar.hpp"
#include "../qgemm/qgemm_scalar.hpp"
#include "../qgemm/quantize_scalar.hpp"

namespace la::kernels::scalar {

/// Fills every entry with its reference.
inline void override_entries(Table& t) noexcept {
  t.isa = "scalar";
  t.gemm_f32 = gemm_scalar<float>;
  t.gemm_bf16 = gemm_scalar<std::uint16_t>;
  t.gemm_q8 = gemm_dequantized_scalar<Q8Block>;
  t.gemm_q4_g128 = gemm_dequantized_scalar<Q4Block<128>>;
  t.gemm_q4_g32 = gemm_dequantized_scalar<Q4Block<32>>;
  t.quantize = quantize_scalar;
  t.qgemm_q8 = qgemm_scalar<Q8Block>;
  t.qgemm_q4_g128 = qgemm_scalar<Q4Block<128>>;
  t.qgemm_q4_g32 = qgemm_scalar<Q4Block<32>>;
  t.attention = attention_scalar;
  t.layer_norm = layer_norm_scalar;
  t.rms_norm = rms_norm_scalar;
  t.rope_interleaved = rope_interleaved_scalar;
  t.rope_halves = rope_halves_scalar;
  t.gelu_tanh = gelu_tanh_scalar;
  t.gelu_erf = gelu_erf_scalar;
  t.swiglu = swiglu_scalar;
  t.add = add_scalar;
  t.softmax = softmax_scalar;
}

}  // namespace la::kernels::scalar
