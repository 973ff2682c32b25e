#pragma once

#include <memory>

#include "../../la/ops/cuda/driver.hpp"

namespace la::test {

/// A card on the host: runs the kernels' sources as this compiler made them, block after block, a fiber a thread.
std::shared_ptr<cuda::Driver> make_emulated_driver();

/// Bytes of what a kernel takes.
std::size_t argument_bytes(const char* kernel);

}  // namespace la::test
