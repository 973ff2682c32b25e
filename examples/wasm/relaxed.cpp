#include <emscripten.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kernels/dispatch.hpp"

// The set `wasmrelaxed`: `wasm` with the integer products of a module of its own, kernels/isa/wasmrelaxed.cpp, which shares
// this one's memory. Engines that cannot run its instructions refuse it, and this set is then not offered.

extern const std::uint8_t la_relaxed_module[];
extern const std::size_t la_relaxed_module_size;

// clang-format off
// Starts the module, and puts its functions into the table that function pointers are of; returns the first one's number, or
// 0 where the engine refuses it or is wrong.
EM_JS(int, la_start_relaxed, (const std::uint8_t* code, int size, std::uint8_t* stack_end), {
  const bytes = HEAPU8.slice(code, code + size);
  if (!WebAssembly.validate(bytes)) return 0;
  const number = (value, mutable) => new WebAssembly.Global({value: 'i32', mutable}, value);
  const {exports} = new WebAssembly.Instance(new WebAssembly.Module(bytes), {env: {
    memory: wasmMemory, __indirect_function_table: wasmTable, __stack_pointer: number(stack_end, true),
    __memory_base: number(0, false), __table_base: number(0, false)}});
  if (!exports['is_right'](-128, 127, 1000) || !exports['is_right'](127, 127, -7)) return 0;
  const first = wasmTable.length;
  const names = ['engine', 'probe', 'fused_probe', 'q4_g128', 'q4_g32', 'fused_q8', 'fused_q4_g128', 'fused_q4_g32', 'unsigned_q8',
    'signed_q8', 'gemm_f32', 'gemm_bf16', 'gemm_q8', 'gemm_q4_g128', 'gemm_q4_g32', 'attention'];
  wasmTable.grow(names.length);
  names.forEach((name, i) => wasmTable.set(first + i, exports[name]));
  return first;
});
// clang-format on

namespace la::inline LA_ABI::kernels {

void override_wasm(Table&) noexcept;

namespace {

/// The module's functions, in the order of la_start_relaxed().
enum Function {
  kEngine,
  kProbe,
  kFusedProbe,
  kQ4G128,
  kQ4G32,
  kFusedQ8,
  kFusedQ4G128,
  kFusedQ4G32,
  kUnsignedQ8,
  kSignedQ8,
  kGemmF32,
  kGemmBf16,
  kGemmQ8,
  kGemmQ4G128,
  kGemmQ4G32,
  kAttention
};

/// Where this thread's functions begin; 0: there are none.
int first_function() noexcept {
  constexpr std::size_t kStack = 64 << 10;
  thread_local int first = -1;
  if (first < 0) {
    auto* const stack =
        static_cast<std::uint8_t*>(std::aligned_alloc(64, kStack));  // for as long as the thread
    first = stack ? la_start_relaxed(la_relaxed_module, int(la_relaxed_module_size), stack + kStack) : 0;
  }
  return first;
}

template <class Kernel>
Kernel* function(Function number) noexcept {
  return reinterpret_cast<Kernel*>(first_function() + number);
}

/// Threads have a module each, and tables are filled by one for all.
template <Function Number, class Arguments>
void call(const Arguments& a) noexcept {
  function<void(const Arguments&) noexcept>(Number)(a);
}

}  // namespace

namespace detail {

bool cpu_has_wasmrelaxed() noexcept {
  return first_function() != 0;
}

}  // namespace detail

void override_wasmrelaxed(Table& t) noexcept {
  override_wasm(t);
  t.isa = "wasmrelaxed";
  // The table is asked for where the set does not run too.
  const int engine = first_function() ? function<int(int) noexcept>(kEngine)(0) : 0;
  const bool fused = engine & 1, unsigned_bytes = engine & 2, signed_bytes = engine & 4;
  t.qgemm[PanelFormat::q4_g128] = call<kQ4G128>;
  t.qgemm[PanelFormat::q4_g32] = call<kQ4G32>;
  if (!fused) return;
  t.qgemm[PanelFormat::q8] = unsigned_bytes ? call<kUnsignedQ8, QGemm>
                             : signed_bytes ? call<kSignedQ8, QGemm>
                                            : call<kFusedQ8, QGemm>;
  t.qgemm[PanelFormat::q4_g128] = call<kFusedQ4G128>;
  t.qgemm[PanelFormat::q4_g32] = call<kFusedQ4G32>;
  t.gemm[PanelFormat::f32] = call<kGemmF32>;
  t.gemm[PanelFormat::bf16] = call<kGemmBf16>;
  t.gemm[PanelFormat::q8] = call<kGemmQ8>;
  t.gemm[PanelFormat::q4_g128] = call<kGemmQ4G128>;
  t.gemm[PanelFormat::q4_g32] = call<kGemmQ4G32>;
  t.attention = call<kAttention>;
}

}  // namespace la::inline LA_ABI::kernels

extern "C" double la_relaxed_probe(std::int64_t rounds) {
  return la::kernels::function<double(std::int64_t)>(la::kernels::kProbe)(rounds);
}
extern "C" double la_relaxed_fused_probe(std::int64_t rounds) {
  return la::kernels::function<double(std::int64_t)>(la::kernels::kFusedProbe)(rounds);
}
