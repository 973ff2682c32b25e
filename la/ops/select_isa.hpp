#pragma once

#include "../../kernels/dispatch.hpp"
#include "../core/error.hpp"

namespace la::inline LA_ABI {

/// kernels::select_isa, whose error is the caller's wrong usage.
inline kernels::Table select_isa(std::string_view name) {
  try {
    return kernels::select_isa(name);
  } catch (const kernels::IsaError& error) {
    fail_usage(error.what());
  }
}

}  // namespace la::inline LA_ABI
