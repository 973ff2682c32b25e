#pragma once

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
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
/// largest line with which it holds no more than its share of all that is left, so that the last ones end together.
class Exchange {
 public:
  using Source = std::function<std::optional<Ticket>()>;
  /// Any number that grows with the work; asked of the last lines only.
  using Cost = std::function<double(const Ticket&)>;

  Exchange(Source source, Cost cost, i64 workers, i64 batch_size)
      : source_(std::move(source)),
        cost_(std::move(cost)),
        window_(std::size_t(2 * workers * batch_size)),
        held_(std::size_t(workers)) {}

  Deal deal(i64 worker) {
    const std::lock_guard lock(mutex_);
    fill();
    if (ahead_.empty()) return {Deal::Kind::done};
    std::vector<Held>& held = held_[std::size_t(worker)];
    auto next = ended_ ? std::prev(ahead_.end()) : ahead_.begin();
    if (ended_ && !held.empty()) {
      double room = left_ / double(held_.size());
      for (const Held& line : held) room -= line.cost;
      next = std::upper_bound(ahead_.begin(), ahead_.end(), room,
                              [](double most, const Priced& line) { return most < line.cost; });
      if (next == ahead_.begin()) return {Deal::Kind::later};
      --next;
    }
    held.push_back({next->ticket.index, next->cost});
    Deal deal{Deal::Kind::ticket, std::move(next->ticket)};
    ahead_.erase(next);
    return deal;
  }

  /// A worker answered the line of this index.
  void returned(i64 worker, i64 index) {
    const std::lock_guard lock(mutex_);
    std::vector<Held>& held = held_[std::size_t(worker)];
    const auto line = std::find_if(held.begin(), held.end(), [&](const Held& h) { return h.index == index; });
    if (line == held.end()) return;
    left_ -= line->cost;
    held.erase(line);
  }

 private:
  struct Priced {
    Ticket ticket;
    double cost = 0;
  };
  struct Held {
    i64 index;
    double cost;
  };

  void fill() {
    while (!ended_ && ahead_.size() < window_) {
      if (std::optional<Ticket> ticket = source_())
        ahead_.push_back({std::move(*ticket)});
      else
        end();
    }
  }
  /// Lines that workers hold already are taken to be like those that are ahead.
  void end() {
    ended_ = true;
    for (Priced& line : ahead_) left_ += line.cost = cost_(line.ticket);
    std::stable_sort(ahead_.begin(), ahead_.end(),
                     [](const Priced& a, const Priced& b) { return a.cost < b.cost; });
    const double mean = ahead_.empty() ? 0 : left_ / double(ahead_.size());
    for (std::vector<Held>& held : held_)
      for (Held& line : held) left_ += line.cost = mean;
  }

  std::mutex mutex_;
  Source source_;
  Cost cost_;
  std::size_t window_;
  std::vector<std::vector<Held>> held_;  // by worker
  std::deque<Priced> ahead_;             // from the end on by cost
  double left_ = 0;                      // cost of all that is not answered, from the end on
  bool ended_ = false;
};

}  // namespace la::cli
