#pragma once

#include "emulation.hpp"

namespace la::test {

/// Small kernels that are right, and wrong in the way that they are named for where `fault` is set.
struct Planted {
  const float* x = nullptr;  ///< [n]
  float* y = nullptr;        ///< [n]
  int n = 0, fault = 0;
};

const EmulatedKernel* find_planted(std::string_view name);

}  // namespace la::test
