#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include "la/core/stopwatch.hpp"
#include "mpi_world.hpp"

// One run over several ranks: rank 0 deals out lines and writes the answers, and like the others it answers.
namespace la::cli {

/// Seconds that a worker computes and does not wait for lines.
class BusyTime {
 public:
  template <class Wait>
  auto waiting(const Wait& wait) {
    const auto start = now();
    auto result = wait();
    waited_ += now() - start;
    return result;
  }
  double seconds() const { return std::chrono::duration<double>(now() - start_ - waited_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  static Clock::time_point now() { return Clock::now(); }
  Clock::time_point start_ = now();
  Clock::duration waited_{};
};

/// The part of every rank but the first.
/// error: the first rank has another model or other options
inline void run_mpi_worker(MpiWorld& world, Worker& worker, const std::string& stamp) {
  using Tag = MpiWorld::Tag;
  world.send(0, Tag::hello, stamp);
  bool done = false;
  BusyTime busy;
  while (!done) {
    worker.run(
        [&]() -> std::optional<Ticket> {
          Deal deal = busy.waiting([&] {
            world.send(0, Tag::ask, "");
            return unpack_deal(world.wait().bytes);
          });
          done = deal.kind == Deal::Kind::done;
          if (deal.kind != Deal::Kind::ticket) return std::nullopt;
          return std::move(deal.ticket);
        },
        [&](Reply&& reply) { world.send(0, Tag::reply, pack(reply)); });
    done = done || worker.stopped();
  }
  Packed bye;
  bye.put(busy.seconds());
  world.send(0, Tag::bye, bye.bytes());
}

/// The first rank's: its own worker runs in a thread, this one serves all.
class MpiFirstRank {
 public:
  using Sink = std::function<void(Reply&&)>;

  MpiFirstRank(MpiWorld& world, Exchange& exchange, Worker& worker, std::string stamp, StopToken stop)
      : world_(world),
        exchange_(exchange),
        worker_(worker),
        stamp_(std::move(stamp)),
        stop_(std::move(stop)) {}

  /// Until every rank is done, or shortly after a stop: a rank that was lost says nothing more.
  /// Whether all ranks ended as they should.
  bool run(const Sink& sink) {
    std::thread own([this] { work(); });
    const auto start = std::chrono::steady_clock::now();
    std::optional<std::chrono::steady_clock::time_point> end;
    MpiWorld::Pause pause;
    while (!done()) {
      bool idle = take_own(sink);
      while (std::optional<MpiWorld::Message> message = world_.receive()) {
        serve(std::move(*message), sink);
        idle = false;
      }
      if (!idle) pause.reset();
      if (stop_.stop_requested()) {
        const auto now = std::chrono::steady_clock::now();
        if (!end) end = now + std::chrono::milliseconds(300);
        if (now > *end) break;
      }
      pause.wait();
    }
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    own.join();
    take_own(sink);
    if (failure_) std::rethrow_exception(failure_);
    return byes_ == world_.size() - 1;
  }

  /// Share of the ranks' time that they had nothing to do in.
  double idle() const { return 1 - busy_ / (seconds_ * world_.size()); }

 private:
  void work() {
    try {
      BusyTime busy;
      for (bool done = false; !done; done = done || worker_.stopped())
        worker_.run(
            [&]() -> std::optional<Ticket> {
              Deal deal = busy.waiting([&] { return exchange_.deal(0); });
              done = deal.kind == Deal::Kind::done;
              if (deal.kind != Deal::Kind::ticket) return std::nullopt;
              return std::move(deal.ticket);
            },
            [&](Reply&& reply) {
              const std::lock_guard lock(mutex_);
              own_.push_back(std::move(reply));
            });
      const std::lock_guard lock(mutex_);
      busy_ += busy.seconds();
    } catch (...) {
      failure_ = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    own_done_ = true;
  }

  bool done() {
    const std::lock_guard lock(mutex_);
    return own_done_ && own_.empty() && (failure_ || byes_ == world_.size() - 1);
  }

  /// Whether there was none.
  bool take_own(const Sink& sink) {
    std::deque<Reply> replies;
    {
      const std::lock_guard lock(mutex_);
      replies.swap(own_);
    }
    for (Reply& reply : replies) {
      exchange_.returned(0, reply.index);
      sink(std::move(reply));
    }
    return replies.empty();
  }

  void serve(MpiWorld::Message message, const Sink& sink) {
    using Tag = MpiWorld::Tag;
    switch (message.tag) {
      case Tag::hello:
        require(message.bytes == stamp_, "rank ", message.rank,
                ": expected the model and options of rank 0, ", stamp_, ", found ", message.bytes);
        break;
      case Tag::ask:
        world_.send(message.rank, Tag::deal,
                    pack(stop_.stop_requested() ? Deal{} : exchange_.deal(message.rank)));
        break;
      case Tag::reply: {
        Reply reply = unpack_reply(std::move(message.bytes));
        exchange_.returned(message.rank, reply.index);
        sink(std::move(reply));
        break;
      }
      case Tag::bye: {
        ++byes_;
        const std::lock_guard lock(mutex_);
        busy_ += Packed(std::move(message.bytes)).get<double>();
        break;
      }
      case Tag::deal:
        break;
    }
  }

  MpiWorld& world_;
  Exchange& exchange_;
  Worker& worker_;
  std::string stamp_;
  StopToken stop_;
  std::mutex mutex_;
  std::deque<Reply> own_;
  bool own_done_ = false;
  std::exception_ptr failure_;
  int byes_ = 0;
  double busy_ = 0, seconds_ = 0;
};

}  // namespace la::cli
