#pragma once

#include "../../la/ops/ops_cuda.hpp"
#include "emulation.hpp"
#include "staged_ops.hpp"

namespace la::test {

/// The CUDA backend on the emulated card.
inline std::unique_ptr<Ops> make_emulated_ops(ActivationFormat activations = ActivationFormat::f32) {
  return make_cuda_ops({make_emulated_driver(), activations, nullptr});
}

/// The same for tests whose operands are the host's.
inline std::unique_ptr<Ops> make_staged_ops(ActivationFormat activations = ActivationFormat::f32) {
  return std::make_unique<StagedOps>(make_emulated_ops(activations));
}

}  // namespace la::test
