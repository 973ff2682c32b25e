#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <span>
#include <thread>
#include <vector>

#include "fork.hpp"
#include "inline.hpp"
#include "tensor.hpp"

namespace la::inline LA_ABI {

/// One phase of a parallel region: items [0, n), dealt in pieces that shrink towards the end, so that the others do not
/// wait long for a worker that the system holds up. It refers to its body, which must outlive it.
class Phase {
 public:
  /// body(begin, end, worker); only the last piece may be below `min_items`. The first `singly` items are dealt one by one:
  /// those that others wait for.
  template <class Body>
  Phase(i64 n, i64 min_items, const Body& body, i64 singly = 0) noexcept
      : n_(n),
        min_items_(min_items),
        singly_(singly),
        body_(&body),
        call_([](const void* b, i64 begin, i64 end, int worker) {
          (*static_cast<const Body*>(b))(begin, end, worker);
        }) {}

  i64 items() const noexcept { return n_; }
  i64 min_items() const noexcept { return min_items_; }
  i64 singly() const noexcept { return singly_; }
  void operator()(i64 begin, i64 end, int worker) const { call_(body_, begin, end, worker); }

 private:
  i64 n_, min_items_, singly_;
  const void* body_;
  void (*call_)(const void*, i64, i64, int);
};

/// Threads that stay. The one that calls run() is worker 0; the others wait for regions, briefly spinning, then asleep.
///
/// A region ends when its items are done: nobody waits for a worker that has not started, because it sleeps, another
/// process has its core, or there is nothing left for it. So a team may be wider than the machine.
class Team {
 public:
  /// Makes width - 1 threads; in a child of fork() they are made anew by the first region.    width 0: default_threads()
  /// error: the system gives no more threads
  explicit Team(int width = 0);
  virtual ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int width() const noexcept { return width_; }
  /// How often a thread was made for a team of this process.
  static i64 threads_made() noexcept { return made().load(std::memory_order_relaxed); }

  /// Runs the phases, each when all items of the one before are done, on at most `workers` workers. A caller that finds
  /// the team at work for another thread does it alone.
  /// error: the first exception of a body; what has not begun is then skipped. The constructor's, after a fork()
  virtual void run(std::span<const Phase> phases, int workers);
  void run(const Phase& phase, int workers) { run(std::span(&phase, 1), workers); }
  void run(const Phase& phase) { run(phase, width_); }

  /// Where the piece that starts at item `begin` ends, whoever takes it.
  static i64 piece_end(const Phase& phase, i64 begin, int workers) noexcept {
    if (begin < phase.singly()) return begin + 1;
    return std::min(phase.items(),
                    begin + std::max(phase.min_items(), (phase.items() - begin) / (2 * workers)));
  }

 protected:
  /// One without threads, for those who run regions in their own way.
  struct WithoutThreads {};
  Team(int width, WithoutThreads) noexcept
      : width_(width), spin_nanoseconds_(0), generation_(fork_generation()) {}

 private:
  struct alignas(64) Counter {
    std::atomic<i64> next = 0;              // items dealt
    alignas(64) std::atomic<i64> done = 0;  // items done
  };

  // The gate: region number (32 bits), places left (16), workers inside (16).
  static constexpr std::uint64_t kInside = 1, kPlace = 1 << 16, kRegion = std::uint64_t{1} << 32;
  static std::uint32_t region(std::uint64_t gate) noexcept { return std::uint32_t(gate >> 32); }
  static std::uint32_t places(std::uint64_t gate) noexcept { return std::uint32_t(gate >> 16) & 0xffff; }
  static std::uint32_t inside(std::uint64_t gate) noexcept { return std::uint32_t(gate) & 0xffff; }

  static std::atomic<i64>& made() noexcept {
    static std::atomic<i64> count = 0;
    return count;
  }

  void start();
  void stop() noexcept;
  void serve(int worker) noexcept;
  void open(int workers);
  void close() noexcept;
  void work(int worker) noexcept;
  void piece(const Phase& phase, i64 begin, i64 end, int worker) noexcept;
  template <class Ready>
  void wait(const std::atomic<std::uint32_t>& changes, const Ready& ready) const noexcept;

  const int width_;
  const std::int64_t spin_nanoseconds_;
  ForkMutex mutex_;               // of the caller whose region runs
  std::uint32_t generation_ = 0;  // of the process that has the threads
  std::vector<std::thread> threads_;

  // Of the region: written before the gate opens.
  std::span<const Phase> phases_;
  int workers_ = 1;
  std::vector<Counter> counters_;
  std::exception_ptr failure_;
  std::atomic<bool> failed_ = false;

  alignas(64) std::atomic<std::uint64_t> gate_ = 0;
  std::atomic<bool> stopping_ = false;
  // What sleepers sleep on: regions opened; phases completed; regions that all workers have left.
  alignas(64) std::atomic<std::uint32_t> opened_ = 0, completed_ = 0, left_ = 0;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "team.cpp"
#endif
