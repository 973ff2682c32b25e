#pragma once

#include "../../kernels/abi.hpp"

#include <version>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#else
#include <atomic>
#include <memory>
#include <utility>
#endif

// std::stop_token, or a small one of la's own where the standard library has none: libc++ up to 19.
namespace la::inline LA_ABI {

#if defined(__cpp_lib_jthread)

using StopToken = std::stop_token;
using StopSource = std::stop_source;

#else

/// Tells whether a stop was asked for; a default one never is.
class StopToken {
 public:
  StopToken() = default;
  bool stop_requested() const noexcept { return state_ && *state_; }
  bool stop_possible() const noexcept { return state_ != nullptr; }

 private:
  friend class StopSource;
  explicit StopToken(std::shared_ptr<const std::atomic<bool> > state) : state_(std::move(state)) {}
  std::shared_ptr<const std::atomic<bool> > state_;
};

/// Where a stop is asked for. Copies share it.
class StopSource {
 public:
  StopToken get_token() const noexcept { return StopToken(state_); }
  bool stop_requested() const noexcept { return *state_; }
  bool request_stop() noexcept { return !state_->exchange(true); }

 private:
  std::shared_ptr<std::atomic<bool> > state_ = std::make_shared<std::atomic<bool> >(false);
};

#endif

}  // namespace la::inline LA_ABI
