#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#define LA_KERNELS_NAMESPACE fused_test
#include "../../kernels/common/fused_wasm.hpp"

namespace la::test {
namespace {

float fused(float a, float b, float c) {
  alignas(16) float lanes[4];
  wasm_v128_store(lanes, kernels::fused_test::fused4(wasm_f32x4_make(1, a, 1, 1), wasm_f32x4_make(1, b, 1, 1),
                                                     wasm_f32x4_make(1, c, 1, 1)));
  return lanes[0] == 2.0f && lanes[2] == 2.0f && lanes[3] == 2.0f ? lanes[1] : NAN;
}

/// By a long double of 113 bits, which holds a b + c exactly when the two are not too far apart.
bool correct(float a, float b, float c) {
  const float expected = float(static_cast<long double>(a) * b + c);
  const auto right = [&](float found) {
    return std::isnan(expected) ? std::isnan(found)
                                : expected == found && std::signbit(expected) == std::signbit(found);
  };
  CAPTURE(a);
  CAPTURE(b);
  CAPTURE(c);
  REQUIRE(right(fused(a, b, c)));
  REQUIRE(right(fmaf(a, b, c)));  // what the scalar kernels use
  return true;
}

}  // namespace

TEST_CASE(
    "fused multiply-add of WebAssembly: rounded once, also where a double's sum falls half way between "
    "floats") {
  // a b lies half way between two floats, and c, too small for the double's sum, decides.
  const float a = 1 + 0x1p-12f;
  CHECK(fused(a, a, 0) == 1 + 0x1p-11f);
  CHECK(fused(a, a, 0x1p-60f) == 1 + 0x1p-11f + 0x1p-23f);
  CHECK(fused(a, a, -0x1p-60f) == 1 + 0x1p-11f);
  CHECK(fused(a, -a, -0x1p-60f) == -(1 + 0x1p-11f + 0x1p-23f));
  CHECK(fused(a, -a, 0x1p-60f) == -(1 + 0x1p-11f));
  // The same below the normal floats.
  const float least = std::numeric_limits<float>::denorm_min();
  CHECK(fused(0x1p-75f, 0x1p-75f, least) == 2 * least);
  CHECK(fused(0x1.fffffep-76f, 0x1p-75f, least) == least);
  CHECK(fused(0x1.000002p-75f, 0x1p-75f, least) == 2 * least);
  CHECK(fused(0x1.fffffep-76f, 0x1p-75f, 3 * least) == 3 * least);
}

TEST_CASE("fused multiply-add of WebAssembly: for drawn bits, and fmaf") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> special = {0,         -0.0f,           1,        -1, infinity, -infinity, NAN,
                                      0x1p-149f, 0x1.fffffep127f, 0x1p-126f};
  for (const float a : special)
    for (const float b : special)
      for (const float c : special) correct(a, b, c);
  std::uint64_t state = 1;
  const auto draw = [&](int exponents) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint32_t bits = std::uint32_t(state >> 32);
    // Mantissas of few bits meet half ways often.
    const std::uint32_t mantissa = bits & 0x7fffffu & ~((1u << (state >> 27 & 31) % 24) - 1);
    const std::uint32_t exponent =
        127 - std::uint32_t(exponents) / 2 + (bits >> 23 & 255) % std::uint32_t(exponents);
    const std::uint32_t value = (bits & 0x80000000u) | exponent << 23 | mantissa;
    float number;
    __builtin_memcpy(&number, &value, sizeof number);
    return number;
  };
  for (int i = 0; i < 200000; ++i) correct(draw(30), draw(30), draw(60));
  for (int i = 0; i < 50000; ++i) correct(draw(20) * 0x1p-70f, draw(20) * 0x1p-70f, draw(20) * 0x1p-130f);
}

}  // namespace la::test
