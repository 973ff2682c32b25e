#pragma once

#include <cstdio>
#include <exception>
#include <iostream>
#include <locale>
#include <new>
#include <type_traits>

#include "la/core/error.hpp"
#include "la/ops/cuda/driver.hpp"

namespace la::cli {

/// What main returns: run's own exit code (0 where it has none), 2 for wrong usage, 1 for any other error, which is
/// printed as one line with the program's name before it.
template <class Run>
int run_main(const char* program, const Run& run) {
  // What is printed is read by other programs: numbers are as in "C", also where a library has set another locale.
  std::locale::global(std::locale::classic());
  std::cout.imbue(std::locale::classic());
  std::cerr.imbue(std::locale::classic());
  try {
    if constexpr (std::is_void_v<decltype(run())>) {
      run();
      return 0;
    } else {
      return run();
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return error.kind() == ErrorKind::usage ? 2 : 1;
  } catch (const cuda::OutOfDeviceMemory& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: out of memory\n", program);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
  }
  return 1;
}

}  // namespace la::cli
