#include "live_queue.hpp"

#include <iterator>
#include <utility>

namespace la::inline LA_ABI {

LA_INLINE LiveQueue::Pushed LiveQueue::push(Request request, OnResult on_result, const std::string& client) {
  std::deque<Entry> cancelled;  // told without the mutex
  Pushed pushed = Pushed::accepted;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ >= capacity_) cancelled = take_cancelled();
    if (closed_) {
      pushed = Pushed::closed;
    } else if (waiting_ >= capacity_) {
      pushed = Pushed::full;
    } else {
      clients_[client].push_back({std::move(request), std::move(on_result)});
      ++waiting_;
    }
  }
  changed_.notify_one();
  tell_cancelled(cancelled);
  return pushed;
}

LA_INLINE bool LiveQueue::full() {
  std::deque<Entry> cancelled;
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ >= capacity_) cancelled = take_cancelled();
    full = waiting_ >= capacity_;
  }
  tell_cancelled(cancelled);
  return full;
}

LA_INLINE void LiveQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

LA_INLINE std::size_t LiveQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

LA_INLINE std::variant<LiveQueue::Entry, Absent> LiveQueue::take(Wait wait) {
  std::unique_lock lock(mutex_);
  if (wait == Wait::yes) changed_.wait(lock, [&] { return waiting_ > 0 || closed_; });
  if (waiting_ == 0) return closed_ ? Absent::for_good : Absent::for_now;
  auto client = clients_.upper_bound(last_);
  if (client == clients_.end()) client = clients_.begin();
  last_ = client->first;
  Entry entry = std::move(client->second.front());
  client->second.pop_front();
  if (client->second.empty()) clients_.erase(client);
  --waiting_;
  return entry;
}

/// Those that nobody waits for any more make room.
LA_INLINE std::deque<LiveQueue::Entry> LiveQueue::take_cancelled() {
  std::deque<Entry> cancelled;
  for (auto client = clients_.begin(); client != clients_.end();) {
    std::deque<Entry> left;
    for (Entry& entry : client->second)
      (entry.request.options.stop.stop_requested() ? cancelled : left).push_back(std::move(entry));
    client->second = std::move(left);
    client = client->second.empty() ? clients_.erase(client) : std::next(client);
  }
  waiting_ -= cancelled.size();
  return cancelled;
}

LA_INLINE void LiveQueue::tell_cancelled(std::deque<Entry>& cancelled) {
  for (Entry& entry : cancelled) {
    Result nothing;
    nothing.query = entry.request.question.text();
    nothing.stop = StopReason::cancelled;
    entry.on_result(std::move(nothing));
  }
}

}  // namespace la::inline LA_ABI
