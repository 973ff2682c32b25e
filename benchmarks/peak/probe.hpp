#pragma once

#include <cstdint>

#include "peak.hpp"

namespace {

/// Sixteen independent chains hide the latency of the step; `step` is one instruction sequence on register values.
/// The barrier keeps the compiler from folding rounds together.
template <class V, class Step>
inline double run_chains(V init, std::int64_t rounds, double operations, Step step) {
  constexpr int chains = 12;
  V v[chains];
  for (auto& x : v) x = init;
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int c = 0; c < chains; ++c) {
      v[c] = step(v[c]);
      LA_KEEP(v[c]);
    }
  }
  return double(rounds) * chains * operations;
}

}  // namespace
