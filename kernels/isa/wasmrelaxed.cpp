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
/// A bit for each member of RelaxedEngine.
[[gnu::used, clang::export_name("engine")]] int la_relaxed_engine(int zero) noexcept {
  const wasmrelaxed::RelaxedEngine is = wasmrelaxed::relaxed_engine(zero);
  return is.fused + 2 * is.unsigned_bytes + 4 * is.signed_bytes;
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
[[gnu::used, clang::export_name("fused_probe")]] double la_relaxed_fused_probe(std::int64_t rounds) noexcept {
  const v128_t u = wasm_f32x4_splat(0.5f), s = wasm_f32x4_splat(1);
  v128_t sum[12];
  for (int i = 0; i < 12; ++i) sum[i] = wasm_f32x4_splat(1 + float(i));
  for (std::int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sum[i] = wasmrelaxed::FusedLanes::fma(sum[i], u, s);
  v128_t all = sum[0];
  for (int i = 1; i < 12; ++i) all = wasm_v128_xor(all, sum[i]);
  return double(rounds) * 12 * 2 * 4 + (wasm_v128_any_true(all) ? 0.0 : 0.5);
}

#define LA_EXPORT(name, kernel, ...)                                                             \
  [[gnu::used, clang::export_name(#name)]] void la_relaxed_##name(const kernel& call) noexcept { \
    using namespace wasmrelaxed;                                                                 \
    __VA_ARGS__(call);                                                                           \
  }
LA_EXPORT(q4_g128, QGemm, qgemm_blocked<QMicro, Q4Block<128>>)
LA_EXPORT(q4_g32, QGemm, qgemm_blocked<QMicro, Q4Block<32>>)
LA_EXPORT(fused_q8, QGemm, qgemm_blocked<RelaxedMicro<FusedLanes, false>, Q8Block>)
LA_EXPORT(fused_q4_g128, QGemm, qgemm_blocked<RelaxedMicro<FusedLanes, false>, Q4Block<128>>)
LA_EXPORT(fused_q4_g32, QGemm, qgemm_blocked<RelaxedMicro<FusedLanes, false>, Q4Block<32>>)
LA_EXPORT(unsigned_q8, QGemm, qgemm_blocked<RelaxedMicro<ByteLanes<false>, true>, Q8Block>)
LA_EXPORT(signed_q8, QGemm, qgemm_blocked<RelaxedMicro<ByteLanes<true>, true>, Q8Block>)
LA_EXPORT(gemm_f32, Gemm, gemm_blocked<FusedMicro, float>)
LA_EXPORT(gemm_bf16, Gemm, gemm_blocked<FusedMicro, std::uint16_t>)
LA_EXPORT(gemm_q8, Gemm, gemm_blocked<FusedMicro, Q8Block>)
LA_EXPORT(gemm_q4_g128, Gemm, gemm_blocked<FusedMicro, Q4Block<128>>)
LA_EXPORT(gemm_q4_g32, Gemm, gemm_blocked<FusedMicro, Q4Block<32>>)
LA_EXPORT(attention, Attention, attention_streaming<FusedMicro>)
#undef LA_EXPORT
}

}  // namespace
