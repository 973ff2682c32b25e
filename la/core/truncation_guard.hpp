#pragma once

#include "inline.hpp"

namespace la::inline LA_ABI {

/// While one of these lives, a mapped checkpoint that somebody cuts short under a running program is an la::Error
/// that names the file, where it would otherwise be a SIGBUS and the end of the process.
///
/// A signal handler belongs to the program, so la installs none by itself: make a guard at the start of main, as the
/// example programs do. The handler puts zeros where a MappedFile has lost its pages and marks the file, which
/// loading and every forward pass check; any other SIGBUS goes to the handler that was there before.
class TruncationGuard {
 public:
  TruncationGuard();
  ~TruncationGuard();
  TruncationGuard(const TruncationGuard&) = delete;
  TruncationGuard& operator=(const TruncationGuard&) = delete;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "truncation_guard.cpp"
#endif
