#include "team.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <system_error>

#include "default_threads.hpp"
#include "error.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// How long a worker looks for the next region before it sleeps: longer than the steps between regions that one thread
/// does, far shorter than a time slice of the system.
inline constexpr std::int64_t kSpinNanoseconds = 50'000;

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

inline std::int64_t nanoseconds() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// No signal for the threads made while it lives, but those that an instruction itself raises: the host program's
/// handlers and sigwait() are for its own threads.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) ::sigdelset(&all, own);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace detail

LA_INLINE Team::Team(int width)
    : width_(width > 0 ? width : default_threads()),
      spin_nanoseconds_(width_ <= usable_cpus() ? detail::kSpinNanoseconds : 0) {
  if (width_ > 0xffff) fail_usage("threads: expected at most 65535, found ", width_);
  start();
}

LA_INLINE Team::~Team() {
  stop();
}

LA_INLINE void Team::start() {
  generation_ = fork_generation();
  const detail::SignalsBlocked blocked;
  try {
    threads_.reserve(std::size_t(width_ - 1));
    for (int worker = 1; worker < width_; ++worker) {
      threads_.emplace_back([this, worker] { serve(worker); });
      made().fetch_add(1, std::memory_order_relaxed);
    }
  } catch (const std::system_error& error) {
    const std::size_t count = threads_.size();
    stop();
    fail("threads: expected ", width_ - 1, " more, the system gave ", count, ": ", error.what());
  } catch (...) {
    stop();
    throw;
  }
}

LA_INLINE void Team::stop() noexcept {
  if (generation_ != fork_generation()) {               // the threads are the parent's
    new std::vector<std::thread>(std::move(threads_));  // neither joined nor ended
    threads_.clear();
    return;
  }
  stopping_ = true;
  gate_.fetch_add(kRegion);
  ++opened_;
  opened_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  stopping_ = false;
}

/// Spins, then sleeps, until ready(); `changes` counts what can make it so.
template <class Ready>
void Team::wait(const std::atomic<std::uint32_t>& changes, const Ready& ready) const noexcept {
  if (ready()) return;
  if (spin_nanoseconds_ > 0) {
    const std::int64_t until = detail::nanoseconds() + spin_nanoseconds_;
    do
      for (int i = 0; i < 32; ++i) {
        if (ready()) return;
        detail::relax();
      }
    while (detail::nanoseconds() < until);
  }
  for (;;) {
    const std::uint32_t now = changes.load();
    if (ready()) return;
    changes.wait(now);
  }
}

LA_INLINE void Team::serve(int worker) noexcept {
  std::uint32_t seen = 0;
  for (;;) {
    wait(opened_, [&] { return region(gate_.load(std::memory_order_acquire)) != seen; });
    std::uint64_t gate = gate_.load(std::memory_order_acquire);
    seen = region(gate);
    if (stopping_) return;
    while (places(gate) > 0) {
      if (!gate_.compare_exchange_weak(gate, gate - kPlace + kInside, std::memory_order_acq_rel)) continue;
      work(worker);
      gate = gate_.fetch_sub(kInside, std::memory_order_acq_rel) - kInside;
      if (places(gate) == 0 && inside(gate) == 0) {
        ++left_;
        left_.notify_one();
      }
      break;
    }
    seen = region(gate);
  }
}

LA_INLINE void Team::open(int workers) {
  for (Counter& counter : counters_) counter.next = counter.done = 0;
  workers_ = workers;
  failed_ = false;
  failure_ = nullptr;
  const std::uint32_t number = region(gate_.load(std::memory_order_relaxed)) + 1;
  gate_.store(number * kRegion + std::uint64_t(workers - 1) * kPlace);
  opened_ = number;
  if (workers == width_ || workers > 3)
    opened_.notify_all();
  else
    for (int i = 1; i < workers; ++i) opened_.notify_one();
}

/// Nobody enters any more; returns when all have left.
LA_INLINE void Team::close() noexcept {
  gate_.fetch_and(~std::uint64_t{0xffff * kPlace}, std::memory_order_acq_rel);
  wait(left_, [&] { return inside(gate_.load(std::memory_order_acquire)) == 0; });
}

LA_INLINE void Team::work(int worker) noexcept {
  for (std::size_t p = 0; p < phases_.size(); ++p) {
    const Phase& phase = phases_[p];
    if (p > 0)
      wait(completed_,
           [&] { return counters_[p - 1].done.load(std::memory_order_acquire) == phases_[p - 1].items(); });
    Counter& counter = counters_[p];
    i64 begin = counter.next.load(std::memory_order_relaxed), end;
    while (begin < phase.items()) {
      end = piece_end(phase, begin, workers_);
      if (!counter.next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
      piece(phase, begin, end, worker);
      const i64 done = counter.done.fetch_add(end - begin, std::memory_order_acq_rel) + end - begin;
      if (done == phase.items() && p + 1 < phases_.size()) {
        ++completed_;
        completed_.notify_all();
      }
      begin = counter.next.load(std::memory_order_relaxed);
    }
  }
}

LA_INLINE void Team::piece(const Phase& phase, i64 begin, i64 end, int worker) noexcept {
  if (failed_.load(std::memory_order_relaxed)) return;
  try {
    phase(begin, end, worker);
  } catch (...) {
    if (!failed_.exchange(true)) failure_ = std::current_exception();
  }
}

LA_INLINE void Team::run(std::span<const Phase> phases, int workers) {
  workers = std::min(workers, width_);
  if (workers <= 1 || !mutex_.try_lock_or_inherit()) {
    for (const Phase& phase : phases)
      if (phase.items() > 0) phase(0, phase.items(), 0);
    return;
  }
  const std::unique_lock<ForkMutex> lock(mutex_, std::adopt_lock);
  if (generation_ != fork_generation()) {
    stop();
    gate_ = 0;
    opened_ = 0;
    start();
  }
  if (counters_.size() < phases.size()) counters_ = std::vector<Counter>(phases.size());
  phases_ = phases;
  open(workers);
  work(0);
  close();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace la::inline LA_ABI
