#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "../core/error.hpp"
#include "../core/fork.hpp"
#include "../core/interrupt.hpp"

namespace la::inline LA_ABI {

/// The mutex of an engine. Who waits for its turn can be told to give up; a child of fork() has one of its own.
class Turn {
 public:
  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (State* state = state_; state->process == fork_generation())
      delete state;  // else the parent's threads wait in it
  }

  /// error: Interrupted, at most 5 ms after the interrupt; another thread had it when this process was forked
  void lock(const Interrupt& interrupt = {}) {
    State& state = of_this_process();
    std::unique_lock lock(state.mutex);
    while (state.taken) {
      if (state.lost)
        fail(
            "session: another thread was using it when this process was forked; expected fork() between its "
            "uses");
      check_interrupt(interrupt);
      if (interrupt)
        state.freed.wait_for(lock, std::chrono::milliseconds(5));
      else
        state.freed.wait(lock);
    }
    state.taken = true;
  }

  void unlock() noexcept {
    State& state = *state_.load(std::memory_order_acquire);
    {
      const std::lock_guard lock(state.mutex);
      state.taken = false;
    }
    state.freed.notify_one();
  }

 private:
  struct State {
    const std::uint32_t process = fork_generation();
    std::atomic<bool> taken = false;  // changed under the mutex
    bool lost = false;                // taken for ever
    std::mutex mutex{};
    std::condition_variable freed{};
  };

  /// A child cannot use the mutex that another thread may have held at the fork.
  State& of_this_process() {
    State* state = state_.load(std::memory_order_acquire);
    while (state->process != fork_generation()) {
      auto* own = new State;
      own->taken = own->lost = state->taken.load();
      if (state_.compare_exchange_strong(state, own, std::memory_order_acq_rel)) return *own;
      delete own;
    }
    return *state;
  }

  std::atomic<State*> state_ = new State;
};

}  // namespace la::inline LA_ABI
