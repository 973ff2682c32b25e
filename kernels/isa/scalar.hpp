#pragma once

#include "../attention/attention_scalar.hpp"
#include "../elementwise/elementwise_scalar.hpp"
#include "../gemm/gemm_scalar.hpp"
#include "../qgemm/qgemm_scalar.hpp"
#include "../qgemm/quantize_scalar.hpp"

namespace la::inline LA_ABI::kernels {

/// Fills every entry with its reference.
LA_KERNELS_INLINE void override_scalar(Table& t) noexcept {
  t = {.isa = "scalar",
       .gemm = {scalar::gemm_scalar<float>, scalar::gemm_scalar<std::uint16_t>,
                scalar::gemm_dequantized_scalar<Q8Block>, scalar::gemm_dequantized_scalar<Q4Block<128>>,
                scalar::gemm_dequantized_scalar<Q4Block<32>>},
       .quantize = scalar::quantize_scalar,
       .qgemm = {nullptr, nullptr, scalar::qgemm_scalar<Q8Block>, scalar::qgemm_scalar<Q4Block<128>>,
                 scalar::qgemm_scalar<Q4Block<32>>},
       .attention = scalar::attention_scalar,
       .attention_merge = scalar::attention_merge_scalar,
       .layer_norm = scalar::layer_norm_scalar,
       .rms_norm = scalar::rms_norm_scalar,
       .rope_interleaved = scalar::rope_interleaved_scalar,
       .rope_halves = scalar::rope_halves_scalar,
       .gelu_tanh = scalar::gelu_tanh_scalar,
       .gelu_erf = scalar::gelu_erf_scalar,
       .swiglu = scalar::swiglu_scalar,
       .softmax = scalar::softmax_scalar};
}

}  // namespace la::inline LA_ABI::kernels
