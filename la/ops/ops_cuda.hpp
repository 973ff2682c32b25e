#pragma once

#include <memory>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "cuda/driver.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

struct CudaOptions {
  std::shared_ptr<cuda::Driver> driver{};  ///< of the card
  ActivationFormat activations = ActivationFormat::auto_;
  std::shared_ptr<Team> team{};  ///< packs weights on the host; none: a team of its own
};

/// The kernels of kernels/cuda on a card. By default products take activations rounded to bf16 and attention to IEEE half, or
/// both as sums of two bf16 where Precision asks for it, in tensor cores, with sums in f32; f32 activations take the exact
/// path, f32 arithmetic on exactly dequantised weights. Products with weights held as f32 always do.
/// error: activations that the card has no kernels for (usage)
std::unique_ptr<Ops> make_cuda_ops(const CudaOptions& options);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "ops_cuda.cpp"
#endif
