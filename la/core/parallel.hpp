#pragma once

#include <utility>

#include "team.hpp"
#include "tensor.hpp"

namespace la::inline LA_ABI {

#if defined(_OPENMP) || defined(LA_OPENMP_SIMD)
#define LA_VECTOR_LOOP _Pragma("omp simd")
#else
#define LA_VECTOR_LOOP
#endif

/// The part [begin, end) of n items that is number `index` of `count`: contiguous, sizes differ by one at most.
inline std::pair<i64, i64> share(i64 n, i64 index, i64 count) noexcept {
  return {n * index / count, n * (index + 1) / count};
}

/// Runs body(begin, end, worker) for pieces of [0, n) on the team, or without one here. Every item must write its own
/// outputs: then it does not matter who does which.
template <class Body>
void parallel_for(i64 n, Team* team, const Body& body) {
  if (team)
    team->run(Phase(n, 1, body));
  else if (n > 0)
    body(i64{0}, n, 0);
}

}  // namespace la::inline LA_ABI
