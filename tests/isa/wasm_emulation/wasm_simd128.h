#pragma once

// WebAssembly's vectors in SIMDe's emulation, for the compiler of this machine. What relaxed-simd leaves open is as the engine
// does it that $LA_EMULATED_ENGINE names: "dpbusd" and "sdot" multiply all 8 bits of the second operand, unsigned and signed,
// and round a multiply-add once; "pmaddubsw" adds pairs in 16 bits, saturating, and rounds twice.

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/wasm/simd128.h>

namespace la::test {

enum class RelaxedEngine { dpbusd, sdot, pmaddubsw };
RelaxedEngine emulated_engine() noexcept;
/// Products so far whose second operand had bytes of 8 bits.
inline long long products_of_8_bits = 0;

}  // namespace la::test

inline v128_t wasm_f32x4_relaxed_madd(v128_t a, v128_t b, v128_t c) noexcept {
  if (la::test::emulated_engine() == la::test::RelaxedEngine::pmaddubsw)
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
  float x[4], y[4], z[4];
  wasm_v128_store(x, a);
  wasm_v128_store(y, b);
  wasm_v128_store(z, c);
  for (int i = 0; i < 4; ++i) z[i] = fmaf(x[i], y[i], z[i]);
  return wasm_v128_load(z);
}

inline v128_t wasm_i32x4_relaxed_dot_i8x16_i7x16_add(v128_t a, v128_t b, v128_t c) noexcept {
  using la::test::RelaxedEngine;
  const RelaxedEngine engine = la::test::emulated_engine();
  signed char x[16], w[16];
  int sum[4];
  wasm_v128_store(x, a);
  wasm_v128_store(w, b);
  wasm_v128_store(sum, c);
  la::test::products_of_8_bits += wasm_i8x16_bitmask(b) != 0;
  for (int i = 0; i < 16; i += 2) {
    const auto product = [&](int at) {
      return x[at] * (engine == RelaxedEngine::sdot ? int(w[at]) : int(static_cast<unsigned char>(w[at])));
    };
    int pair = product(i) + product(i + 1);
    if (engine == RelaxedEngine::pmaddubsw) pair = pair > 32767 ? 32767 : pair < -32768 ? -32768 : pair;
    sum[i / 4] = int(unsigned(sum[i / 4]) + unsigned(pair));
  }
  return wasm_v128_load(sum);
}
