#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "../../kernels/abi.hpp"

// What a child of fork() must know: of all threads it has the one that called, and what others held stays held.
namespace la::inline LA_ABI {
namespace detail {

inline std::atomic<std::uint32_t>& fork_count() noexcept {
  static std::atomic<std::uint32_t> count = 1;
  return count;
}

}  // namespace detail

/// Differs between a process and those forked from it, once it was called for the first time; never 0.
inline std::uint32_t fork_generation() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++detail::fork_count(); });
  (void)registered;
  return detail::fork_count().load(std::memory_order_relaxed);
}

/// A mutex that is taken or left alone, never waited for: it holds the generation of whoever has it.
class ForkMutex {
 public:
  /// Takes it also from a thread that this process does not have.
  bool try_lock_or_inherit() noexcept {
    const std::uint32_t mine = fork_generation();
    std::uint32_t holder = holder_.load(std::memory_order_relaxed);
    return holder != mine && holder_.compare_exchange_strong(holder, mine, std::memory_order_acquire);
  }

  void unlock() noexcept { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> holder_ = 0;  // 0: nobody
};

}  // namespace la::inline LA_ABI
