#pragma once

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "request_queue.hpp"
#include "worker.hpp"

namespace la::cli {

/// What a worker that asks for a line gets.
struct Deal {
  enum class Kind { ticket, later, done } kind = Kind::done;
  Ticket ticket{};
};

/// Deals tickets to workers as they become free. Towards the end, which is seen two batches ahead, a worker gets the
/// largest line that is left, and none while it holds more than its share: so that the last ones end together.
class Exchange {
 public:
  using Source = std::function<std::optional<Ticket>()>;
  /// Any number that grows with the work; asked of the last lines only.
  using Cost = std::function<double(const Ticket&)>;

  Exchange(Source source, Cost cost, i64 workers, i64 batch_size)
      : source_(std::move(source)),
        cost_(std::move(cost)),
        window_(std::size_t(2 * workers * batch_size)),
        open_(std::size_t(workers)) {}

  Deal deal(i64 worker) {
    const std::lock_guard lock(mutex_);
    fill();
    if (ahead_.empty()) return {Deal::Kind::done};
    i64& open = open_[std::size_t(worker)];
    if (ended_ && open >= std::max<i64>(1, i64(ahead_.size()) / i64(open_.size())))
      return {Deal::Kind::later};
    auto next = ahead_.begin();
    if (ended_)
      next = std::max_element(ahead_.begin(), ahead_.end(),
                              [](const Priced& a, const Priced& b) { return a.cost < b.cost; });
    Deal deal{Deal::Kind::ticket, std::move(next->ticket)};
    ahead_.erase(next);
    ++open;
    return deal;
  }

  void returned(i64 worker) {
    const std::lock_guard lock(mutex_);
    --open_[std::size_t(worker)];
  }

 private:
  struct Priced {
    Ticket ticket;
    double cost = 0;
  };

  void fill() {
    while (!ended_ && ahead_.size() < window_) {
      if (std::optional<Ticket> ticket = source_())
        ahead_.push_back({std::move(*ticket)});
      else
        end();
    }
  }
  void end() {
    ended_ = true;
    for (Priced& line : ahead_) line.cost = cost_(line.ticket);
  }

  std::mutex mutex_;
  Source source_;
  Cost cost_;
  std::size_t window_;
  std::vector<i64> open_;  // lines that each worker holds
  std::deque<Priced> ahead_;
  bool ended_ = false;
};

}  // namespace la::cli
