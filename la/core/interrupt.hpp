#pragma once

#include <functional>

#include "stop_token.hpp"

namespace la::inline LA_ABI {

/// Whether a pass is to end before its results are there. It is asked between chunks and ops, so it must be quick.
/// Empty: never.
using Interrupt = std::function<bool()>;

/// Thrown out of a pass that was interrupted.
struct Interrupted {};

inline Interrupt interrupt_of(const StopToken& stop) {
  if (!stop.stop_possible()) return {};
  return [stop] { return stop.stop_requested(); };
}

/// error: Interrupted
inline void check_interrupt(const Interrupt& interrupt) {
  if (interrupt && interrupt()) throw Interrupted{};
}

}  // namespace la::inline LA_ABI
