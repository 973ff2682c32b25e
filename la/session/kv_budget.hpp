#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "../core/interrupt.hpp"

namespace la::inline LA_ABI {

/// Bytes for keys and values, counted out to the rows of all threads before they start. What is taken is an upper
/// bound on what is then held, so a row that has started always ends.
class KvBudget {
 public:
  /// 0: no limit
  explicit KvBudget(std::size_t limit)
      : limit_(limit > 0 ? limit : std::numeric_limits<std::size_t>::max()) {}

  /// Gives its bytes back when it goes.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Charge& operator=(Charge&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Charge() {
      if (budget_) budget_->give_back(bytes_);
    }

   private:
    friend KvBudget;
    Charge(KvBudget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {}
    KvBudget* budget_ = nullptr;
    std::size_t bytes_ = 0;
  };

  std::optional<Charge> take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > limit_ - used_) return std::nullopt;
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    return Charge(this, bytes);
  }

  /// Whether that much is free now.
  bool fits(std::size_t bytes) const {
    const std::lock_guard lock(mutex_);
    return bytes <= limit_ - used_;
  }

  std::size_t limit() const noexcept { return limit_; }
  std::size_t used() const { return read(used_); }
  std::size_t peak() const { return read(peak_); }
  /// Counts what was given back; for wait().
  std::uint64_t releases() const { return read(releases_); }

  /// Until releases() is no longer `seen`.    error: Interrupted, at most 5 ms after the interrupt
  void wait(std::uint64_t seen, const Interrupt& interrupt) {
    std::unique_lock lock(mutex_);
    while (releases_ == seen) {
      check_interrupt(interrupt);
      released_.wait_for(lock, std::chrono::milliseconds(5));
    }
  }

 private:
  template <class T>
  T read(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  void give_back(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      used_ -= bytes;
      ++releases_;
    }
    released_.notify_all();
  }

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::size_t used_ = 0, peak_ = 0;
  std::uint64_t releases_ = 0;
};

}  // namespace la::inline LA_ABI
