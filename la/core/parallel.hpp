#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

#include "tensor.hpp"

namespace la {

#if defined(_OPENMP)
/// OpenMP's default: $OMP_NUM_THREADS, else all cores.
inline int default_threads() noexcept { return omp_get_max_threads(); }
/// Of the threads of this parallel region, which one this is and how many they are.
inline std::pair<int, int> worker_of_region() noexcept { return {omp_get_thread_num(), omp_get_num_threads()}; }
#else
// Built without OpenMP, as for a thread sanitizer that does not know its runtime: one thread does it all.
inline int default_threads() noexcept { return 1; }
inline std::pair<int, int> worker_of_region() noexcept { return {0, 1}; }
#endif

/// The part [begin, end) of n items that worker `index` of `count` takes: contiguous, sizes differ by one at most.
inline std::pair<i64, i64> share(i64 n, int index, int count) noexcept {
  return {n * index / count, n * (index + 1) / count};
}

/// Runs first(worker, count) and then, when all workers are done with it, second(worker, count), in one parallel
/// region of at most `threads` threads; nothing is started for one.
/// error: the first exception of a worker; `second` is then skipped
template <class First, class Second>
void parallel_phases(int threads, const First& first, const Second& second) {
  if (threads <= 1) {
    first(0, 1);
    second(0, 1);
    return;
  }
  std::exception_ptr failure;
  const auto guarded = [&failure](const auto& phase, int worker, int count) {
    try {
      phase(worker, count);
    } catch (...) {
#pragma omp critical(la_parallel_failure)
      failure = std::current_exception();
    }
  };
#pragma omp parallel num_threads(threads)
  {
    // The runtime may give fewer threads than were asked for.
    const auto [worker, count] = worker_of_region();
    guarded(first, worker, count);
#pragma omp barrier
    if (!failure) guarded(second, worker, count);
  }
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

}  // namespace la
