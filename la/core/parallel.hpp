#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

#include "tensor.hpp"

namespace la {

/// The part [begin, end) of n items that worker `index` of `count` takes: contiguous, sizes differ by one at most.
inline std::pair<i64, i64> share(i64 n, int index, int count) noexcept {
  return {n * index / count, n * (index + 1) / count};
}

/// Runs body(begin, end, worker) on a static partition of [0, n) with at most `threads` threads; nothing is started
/// for one share. Every item must write its own outputs: then the partition cannot change a result.
template <class Body>
void parallel_for(i64 n, int threads, const Body& body) {
  const int workers = int(std::min<i64>(n, threads));
  if (workers <= 1) {
    if (n > 0) body(i64{0}, n, 0);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel num_threads(workers)
  {
    // The runtime may give fewer threads than were asked for.
    const int worker = omp_get_thread_num(), count = omp_get_num_threads();
    const auto [begin, end] = share(n, worker, count);
    try {
      if (begin < end) body(begin, end, worker);
    } catch (...) {
#pragma omp critical(la_parallel_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace la
