#pragma once

#include "../../la/ops/ops_cuda.hpp"
#include "emulation.hpp"

namespace la::test {

/// The CUDA backend on the emulated card.
inline std::unique_ptr<Ops> make_emulated_ops(ActivationFormat activations = ActivationFormat::f32) {
  return make_cuda_ops({make_emulated_driver(), activations, nullptr});
}

}  // namespace la::test
