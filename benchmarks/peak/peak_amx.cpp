#include <immintrin.h>

#include "peak.hpp"

namespace la::peak {

Probes amx() {
  // Products of whole tiles into six sums hide the latency.
  Probe* int8 = [](std::int64_t rounds) {
    struct alignas(64) {
      std::uint8_t palette = 1, reserved[15] = {};
      std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    asm volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
    _tile_zero(6);
    _tile_zero(7);
    for (std::int64_t r = 0; r < rounds; ++r) {
      _tile_dpbssd(0, 6, 7);
      _tile_dpbssd(1, 6, 7);
      _tile_dpbssd(2, 6, 7);
      _tile_dpbssd(3, 6, 7);
      _tile_dpbssd(4, 6, 7);
      _tile_dpbssd(5, 6, 7);
    }
    _tile_release();
    return double(rounds) * 6 * 2 * 16 * 16 * 64;
  };
  return {"amx", avx512().fma, int8, "tdpbssd, 16 x 64 x 16"};
}

}  // namespace la::peak
