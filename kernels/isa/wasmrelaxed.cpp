#define LA_KERNELS_INLINE inline
#define LA_KERNELS_RENAME_XSIMD xsimd_wasmrelaxed
#include "wasmrelaxed.hpp"

// An engine refuses a module with instructions that it does not know. So these products are a module of their own, which
// examples/wasm/relaxed.cpp starts beside the program's where the engine takes it.
namespace {

using namespace la::kernels;

extern "C" {
/// Whether this engine multiplies as the standard says: V8 11.3, where it asks for a flag, does not in its first compiler.
[[gnu::used, clang::export_name("is_right")]] bool la_relaxed_is_right(int x, int w, int sum) noexcept {
  const v128_t all = wasmrelaxed::DotLanes::dot(wasm_i32x4_splat(sum), wasm_i8x16_splat(std::int8_t(w)),
                                                wasm_i8x16_splat(std::int8_t(x)));
  return wasm_i32x4_extract_lane(all, 3) == sum + 4 * x * w;
}
/// What benchmarks/web.cpp takes for the limit: multiply-adds, each two operations, in twelve chains.
[[gnu::used, clang::export_name("probe")]] double la_relaxed_probe(std::int64_t rounds) noexcept {
  using wasmrelaxed::DotLanes;
  const v128_t x = wasm_i8x16_splat(3), w = wasm_i8x16_splat(5);
  const auto init = [](int i) { return wasm_i32x4_splat(i); };  // equal ones would be merged
  v128_t a = init(0), b = init(1), c = init(2), d = init(3), e = init(4), f = init(5), g = init(6),
         h = init(7), i = init(8), j = init(9), k = init(10), l = init(11);
  for (std::int64_t r = 0; r < rounds; ++r) {
    a = DotLanes::dot(a, w, x), b = DotLanes::dot(b, w, x), c = DotLanes::dot(c, w, x);
    d = DotLanes::dot(d, w, x), e = DotLanes::dot(e, w, x), f = DotLanes::dot(f, w, x);
    g = DotLanes::dot(g, w, x), h = DotLanes::dot(h, w, x), i = DotLanes::dot(i, w, x);
    j = DotLanes::dot(j, w, x), k = DotLanes::dot(k, w, x), l = DotLanes::dot(l, w, x);
  }
  const v128_t all = wasm_v128_xor(wasm_v128_xor(wasm_v128_xor(a, b), wasm_v128_xor(c, d)),
                                   wasm_v128_xor(wasm_v128_xor(wasm_v128_xor(e, f), wasm_v128_xor(g, h)),
                                                 wasm_v128_xor(wasm_v128_xor(i, j), wasm_v128_xor(k, l))));
  return double(rounds) * 12 * 2 * 16 + (wasm_v128_any_true(all) ? 0.0 : 0.5);
}
[[gnu::used, clang::export_name("q4_g128")]] void la_relaxed_q4_g128(const QGemm& g) noexcept {
  wasmrelaxed::qgemm_blocked<wasmrelaxed::QMicro, Q4Block<128>>(g);
}
[[gnu::used, clang::export_name("q4_g32")]] void la_relaxed_q4_g32(const QGemm& g) noexcept {
  wasmrelaxed::qgemm_blocked<wasmrelaxed::QMicro, Q4Block<32>>(g);
}
}

}  // namespace
