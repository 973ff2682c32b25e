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
  wasmTable.grow(3);
  ['q4_g128', 'q4_g32', 'probe'].forEach((name, i) => wasmTable.set(first + i, exports[name]));
  return first;
});
// clang-format on

namespace la::inline LA_ABI::kernels {

void override_wasm(Table&) noexcept;

namespace {

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

template <int Number>
void call(const QGemm& g) noexcept {
  reinterpret_cast<QGemmKernel*>(first_function() + Number)(g);
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
  t.qgemm[PanelFormat::q4_g128] = call<0>;
  t.qgemm[PanelFormat::q4_g32] = call<1>;
}

}  // namespace la::inline LA_ABI::kernels

extern "C" double la_relaxed_probe(std::int64_t rounds) {
  return reinterpret_cast<double (*)(std::int64_t)>(la::kernels::first_function() + 2)(rounds);
}
