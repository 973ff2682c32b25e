#define LA_KERNELS_INLINE inline
#define LA_KERNELS_RENAME_XSIMD xsimd_wasmrelaxed
#include "wasmrelaxed.hpp"

// An engine refuses a module with instructions that it does not know. So these products are a module of their own, which
// web/relaxed.cpp starts beside the program's where the engine takes it.
namespace {

using namespace la::kernels;

extern "C" {
/// Whether this engine multiplies as the standard says: V8 11.3, where it asks for a flag, does not in its first compiler.
[[gnu::used, clang::export_name("is_right")]] bool la_relaxed_is_right(int x, int w, int sum) noexcept {
  const v128_t all = wasmrelaxed::DotLanes::dot(wasm_i32x4_splat(sum), wasm_i8x16_splat(std::int8_t(w)),
                                                wasm_i8x16_splat(std::int8_t(x)));
  return wasm_i32x4_extract_lane(all, 3) == sum + 4 * x * w;
}
[[gnu::used, clang::export_name("q8")]] void la_relaxed_q8(const QGemm& g) noexcept {
  wasmrelaxed::qgemm_blocked<wasmrelaxed::QMicro, Q8Block>(g);
}
[[gnu::used, clang::export_name("q4_g128")]] void la_relaxed_q4_g128(const QGemm& g) noexcept {
  wasmrelaxed::qgemm_blocked<wasmrelaxed::QMicro, Q4Block<128>>(g);
}
[[gnu::used, clang::export_name("q4_g32")]] void la_relaxed_q4_g32(const QGemm& g) noexcept {
  wasmrelaxed::qgemm_blocked<wasmrelaxed::QMicro, Q4Block<32>>(g);
}
}

}  // namespace
