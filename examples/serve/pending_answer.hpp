#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "la/la.hpp"

namespace la::cli {

/// An answer that one thread waits for while another makes it.
class PendingAnswer {
 public:
  explicit PendingAnswer(std::chrono::steady_clock::time_point deadline) : deadline_(deadline) {}

  void found(const Item& item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(item);
    changed_.notify_all();
  }
  void said(std::span<const std::int32_t> ids) {
    const std::lock_guard lock(mutex_);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    changed_.notify_all();
  }
  void ended(Result&& result) {
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
    changed_.notify_all();
  }

  /// Items and ids since the last call and, once there are no more, the result. It waits for one of them, but for a moment only.
  struct News {
    std::deque<Item> items;
    std::vector<std::int32_t> ids;
    std::optional<Result> result;
  };
  News wait_a_moment() {
    if (std::chrono::steady_clock::now() >= deadline_ && !stop_.stop_requested()) {
      late_ = true;
      stop_.request_stop();
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(50),
                      [&] { return !items_.empty() || !ids_.empty() || result_; });
    return {std::exchange(items_, {}), std::exchange(ids_, {}), std::exchange(result_, std::nullopt)};
  }

  void stop() { stop_.request_stop(); }
  StopToken token() const { return stop_.get_token(); }
  /// Whether the time limit ended it; for the thread that waits.
  bool late() const noexcept { return late_; }

 private:
  const std::chrono::steady_clock::time_point deadline_;
  bool late_ = false;
  StopSource stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  std::vector<std::int32_t> ids_;
  std::optional<Result> result_;
};

}  // namespace la::cli
