#define LA_KEEP(v) asm volatile("" : "+m"(v))
#include "probe.hpp"

namespace la::peak {

Probes scalar() {
  Probe* fma = [](std::int64_t rounds) {
    return run_chains(1e-9f, rounds, 2.0, [](float v) { return v * 0.999f + 1e-9f; });
  };
  return {"scalar", fma, nullptr, "none"};
}

}  // namespace la::peak
