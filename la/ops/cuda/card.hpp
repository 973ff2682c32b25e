#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "driver.hpp"

namespace la::inline LA_ABI::cuda {

/// The kernels for cards from a compute capability on (80 is 8.0), as the compiler made them.
struct Ptx {
  int capability;
  const char* text;
};

/// Card `index` of those that the NVIDIA driver shows, which is opened with dlopen: a program links nothing of it.
/// error: there is no driver, no such card, or the driver refuses the kernels
std::shared_ptr<Driver> open_card(int index);

/// How many cards the driver shows.
/// error: there is no driver
int card_count();

}  // namespace la::inline LA_ABI::cuda
