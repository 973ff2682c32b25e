#pragma once

#include "../attention/attention_scalar.hpp"
#include "../elementwise/elementwise_scalar.hpp"
#include "../gemm/gemm_scalar.hpp"

namespace la::kernels::scalar {

/// Fills every entry with its reference.
inline void override_entries(Table& t) noexcept {
  t.isa = "scalar";
  t.gemm_f32 = gemm_scalar<float>;
  t.gemm_bf16 = gemm_scalar<std::uint16_t>;
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
