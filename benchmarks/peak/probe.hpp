#pragma once

#include <cstdint>

#include "peak.hpp"

namespace {

/// Twelve independent chains of one instruction sequence hide its latency. They are named one by one: an array of them
/// would live in memory. LA_KEEP stops the compiler from folding rounds together.
template <class V, class Step>
inline double run_chains(V init, std::int64_t rounds, double operations, Step step) {
  V a = init, b = init, c = init, d = init, e = init, f = init, g = init, h = init, i = init, j = init,
    k = init, l = init;
  for (std::int64_t r = 0; r < rounds; ++r) {
    a = step(a), b = step(b), c = step(c), d = step(d), e = step(e), f = step(f);
    g = step(g), h = step(h), i = step(i), j = step(j), k = step(k), l = step(l);
    LA_KEEP(a);
    LA_KEEP(b);
    LA_KEEP(c);
    LA_KEEP(d);
    LA_KEEP(e);
    LA_KEEP(f);
    LA_KEEP(g);
    LA_KEEP(h);
    LA_KEEP(i);
    LA_KEEP(j);
    LA_KEEP(k);
    LA_KEEP(l);
  }
  return double(rounds) * 12 * operations;
}

}  // namespace
