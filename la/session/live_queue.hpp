#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <variant>

#include "../core/inline.hpp"
#include "request.hpp"
#include "scheduler.hpp"

namespace la::inline LA_ABI {

/// Requests that any thread may push while others are answered, see Session::answer. Clients take turns: one that pushes
/// many delays another by one request at most. The requests of a client keep their order.
class LiveQueue {
 public:
  /// Takes what became of a request, once. It must not throw. Called by the thread that answers, or, when the request was
  /// cancelled before its turn, by one that pushes.
  using OnResult = std::function<void(Result&&)>;
  struct Entry {
    Request request;
    OnResult on_result;
  };
  enum class Pushed { accepted, full, closed };

  /// capacity: requests that may wait; those that run are not counted
  explicit LiveQueue(std::size_t capacity) : capacity_(capacity) {}

  /// Only of an accepted request on_result is ever called. AskOptions::on_item streams its items, from the thread that
  /// answers; AskOptions::stop cancels it, waiting or running.
  Pushed push(Request request, OnResult on_result, const std::string& client = {});
  /// What is in is still answered; nothing else is accepted.
  void close();
  /// Requests whose turn has not come.
  std::size_t waiting() const;
  /// Whether a push would find no room, were it made now. Those that nobody waits for any more leave first.
  bool full();

  /// For who answers: the next request, or why there is none. With Wait::yes never Absent::for_now.
  std::variant<Entry, Absent> take(Wait wait);

 private:
  std::deque<Entry> take_cancelled();
  static void tell_cancelled(std::deque<Entry>& cancelled);

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::deque<Entry>> clients_;  // none of them empty
  std::string last_;                                  // whose turn it was
  std::size_t waiting_ = 0;
  bool closed_ = false;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "live_queue.cpp"
#endif
