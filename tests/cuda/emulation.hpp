#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "../../la/ops/cuda/driver.hpp"

namespace la::test {

/// A kernel as this compiler made it.
struct EmulatedKernel {
  std::size_t bytes = 0;  ///< of its arguments
  void (*run)(const void* arguments) = nullptr;
};

/// A kernel of the module; null: there is none.
const EmulatedKernel* find_kernel(std::string_view name);
/// Whether every load and store of the module's kernels is shown to the machine.
bool kernels_are_watched() noexcept;

struct Emulation {
  /// Shuffles blocks, warps and lanes. 0: in order
  std::uint64_t seed = 0;
  /// Looks at every load and store of the kernels, which must be compiled to be watched.
  bool hunts = false;
  const EmulatedKernel* (*kernels)(std::string_view name) = find_kernel;
};

/// A card on the host: runs the kernels' sources as this compiler made them, a fiber a thread. Blocks of a dependent launch
/// are started before the launch before it has run. One card works at a time, in one thread of the host.
std::shared_ptr<cuda::Driver> make_emulated_driver(const Emulation& emulation = {});

}  // namespace la::test
