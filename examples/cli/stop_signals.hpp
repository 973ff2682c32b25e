#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "la/core/stop_token.hpp"

namespace la::cli {

/// SIGINT and SIGTERM ask for a stop; a second one ends the program at once. To be made before any other thread: they
/// inherit that the signals are blocked, and one thread takes them in.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    watcher_ = std::thread([this, signals] {
      const timespec moment{0, 50'000'000};
      while (!done_) {
        const int signal = sigtimedwait(&signals, nullptr, &moment);
        if (signal <= 0) continue;
        if (signal_.exchange(signal) != 0) ::_exit(128 + signal);
        stop_.request_stop();
      }
    });
  }

  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    done_ = true;
    watcher_.join();
  }

  StopToken token() const noexcept { return stop_.get_token(); }
  /// The signal that came, or 0.
  int signal() const noexcept { return signal_; }

 private:
  StopSource stop_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> done_ = false;
  std::thread watcher_;
};

}  // namespace la::cli
