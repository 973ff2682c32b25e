#pragma once

#include <cstddef>
#include <cstdint>

/// The machine's own limits, measured with the instructions the kernels use: what a share is a share of.
/// One pair of probes for each instruction set; each is compiled for it, so nothing inline is shared.
namespace la::peak {

/// Runs `rounds` of the probe's inner loop on the calling thread; returns the operations done (a multiply-add is two).
using Probe = double(std::int64_t rounds);

struct Probes {
  const char* isa;
  Probe* fma;  ///< f32 multiply-adds
  Probe*
      int8;  ///< 8-bit dot-product steps: maddubs + madd + add, dpbusd, tdpbssd, sdot, smmla; null where there is none
  const char* int8_step;
};

Probes scalar();
#if defined(__x86_64__)
Probes avx2();
Probes avxvnni();
Probes avx512();
Probes avx512vnni();
Probes amx();
#elif defined(__aarch64__)
Probes neon();
Probes neondot();
Probes neoni8mm();
#endif

}  // namespace la::peak
