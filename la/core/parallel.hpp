#pragma once

#if defined(_OPENMP)
#include <omp.h>
#else
#include <barrier>
#include <thread>
#include <vector>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <tuple>
#include <utility>

#include "tensor.hpp"

/// Threads come from OpenMP. A program compiled without it (no -fopenmp) works as well and gives the same bits: its
/// parallel regions start std::threads of their own and join them, which costs some 20 microseconds a region and
/// thread. Thread sanitizers are used so, as they do not know the runtimes of OpenMP. All files of one program must
/// agree on OpenMP.
namespace la::inline LA_ABI {

#if defined(_OPENMP)
/// OpenMP's default: $OMP_NUM_THREADS, else all cores.
inline int default_threads() noexcept {
  return omp_get_max_threads();
}
#define LA_VECTOR_LOOP _Pragma("omp simd")
#else
/// All cores.
inline int default_threads() noexcept {
  return std::max(1, int(std::thread::hardware_concurrency()));
}
#define LA_VECTOR_LOOP
#endif

/// The part [begin, end) of n items that worker `index` of `count` takes: contiguous, sizes differ by one at most.
inline std::pair<i64, i64> share(i64 n, int index, int count) noexcept {
  return {n * index / count, n * (index + 1) / count};
}

/// Guided scheduling of [0, n) over the workers of one parallel region: pieces shrink towards the end, so that the
/// others do not wait long for a worker that the system holds up. Only the last piece may be below `min_items`.
class GuidedSchedule {
 public:
  explicit GuidedSchedule(i64 n, i64 min_items = 1) noexcept : n_(n), min_items_(min_items) {}

  /// Calls body(begin, end) for one of `workers`, piece after piece until all are dealt.
  template <class Body>
  void each(int workers, const Body& body) {
    for (auto [begin, end] = next(workers); begin < end; std::tie(begin, end) = next(workers))
      body(begin, end);
  }

 private:
  std::pair<i64, i64> next(int workers) noexcept {
    i64 begin = next_.load(std::memory_order_relaxed), end;
    do {
      const i64 piece = workers == 1 ? n_ - begin : std::max(min_items_, (n_ - begin) / (2 * workers));
      end = std::min(n_, begin + piece);
    } while (!next_.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return {begin, end};
  }

  const i64 n_, min_items_;
  std::atomic<i64> next_ = 0;
};

namespace detail {

/// Calls first(worker, count) and, when all are done with it, second(worker, count) on up to `threads` threads: there
/// may be fewer than were asked for.
#if defined(_OPENMP)
template <class First, class Second>
void run_team(int threads, const First& first, const Second& second) {
#pragma omp parallel num_threads(threads)
  {
    const int worker = omp_get_thread_num(), count = omp_get_num_threads();
    first(worker, count);
#pragma omp barrier
    second(worker, count);
  }
}
#else
template <class First, class Second>
void run_team(int threads, const First& first, const Second& second) {
  std::atomic<int> count = 0;  // known when all have started
  std::barrier<> between(threads);
  const auto work = [&](int worker) {
    first(worker, count.load());
    between.arrive_and_wait();
    second(worker, count.load());
  };
  struct Team {  // joins: the last to be declared, before what the threads use goes away
    std::vector<std::thread> threads;
    ~Team() {
      for (std::thread& thread : threads) thread.join();
    }
  } team;
  team.threads.reserve(std::size_t(threads - 1));
  try {
    for (int worker = 1; worker < threads; ++worker)
      team.threads.emplace_back([&, worker] {
        count.wait(0);
        work(worker);
      });
  } catch (...) {  // no memory or no thread for another: those that started share the work
  }
  const int started = int(team.threads.size()) + 1;
  for (int missing = started; missing < threads; ++missing) between.arrive_and_drop();
  count = started;
  count.notify_all();
  work(0);
}
#endif

}  // namespace detail

/// Runs first(worker, count) and then, when all workers are done with it, second(worker, count), in one parallel
/// region of at most `threads` threads; nothing is started for one.
/// error: the first exception of a worker; what has not begun of `second` is then skipped
template <class First, class Second>
void parallel_phases(int threads, const First& first, const Second& second) {
  if (threads <= 1) {
    first(0, 1);
    second(0, 1);
    return;
  }
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto guarded = [&](const auto& phase) {
    return [&](int worker, int count) noexcept {
      if (failed) return;
      try {
        phase(worker, count);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    };
  };
  detail::run_team(threads, guarded(first), guarded(second));
  if (failure) std::rethrow_exception(failure);
}

/// Runs body(begin, end, worker) on a static partition of [0, n) with at most `threads` threads. Every item must write
/// its own outputs: then the partition cannot change a result.
template <class Body>
void parallel_for(i64 n, int threads, const Body& body) {
  const auto all = [&](int worker, int count) {
    const auto [begin, end] = share(n, worker, count);
    if (begin < end) body(begin, end, worker);
  };
  const int workers = int(std::min<i64>(n, threads));
  parallel_phases(workers, all, [](int, int) {});
}

}  // namespace la::inline LA_ABI
