#include "dispatch.hpp"

#include <cstdlib>

// A compiled library links one object per instruction set and says which with LA_BUILT_*.
#if !defined(LA_COMPILED)
#include "isa/of_this_file.hpp"
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace la::inline LA_ABI::kernels {

// Each in isa/<set>.hpp.
void override_scalar(Table&) noexcept;
void override_avx2(Table&) noexcept;
void override_avxvnni(Table&) noexcept;
void override_avx512(Table&) noexcept;
void override_avx512vnni(Table&) noexcept;
void override_amx(Table&) noexcept;
void override_neon(Table&) noexcept;
void override_neondot(Table&) noexcept;
void override_neoni8mm(Table&) noexcept;
void override_wasm(Table&) noexcept;
void override_wasmrelaxed(Table&) noexcept;

namespace detail {

#if defined(__x86_64__)
// F16C is older than AVX2 and part of every CPU that has it; clang 14 cannot ask for it.
inline bool cpu_has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// Kernels built on SIMDe need what SIMDe was compiled for, whatever they are written in.
inline bool cpu_has_avx512() noexcept {
#if defined(LA_KERNELS_SIMDE)
  return cpu_has_avx2();
#else
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#endif
}

inline bool cpu_has_avx512vnni() noexcept {
#if defined(LA_KERNELS_SIMDE)
  return cpu_has_avx2();
#else
  return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
#endif
}

/// Leaf 7 of cpuid, whose names the compilers learned at different times: eax and edx of a sub-leaf.
inline bool cpuid7(unsigned leaf, bool edx, unsigned bits) noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, leaf, &a, &b, &c, &d) && ((edx ? d : a) & bits) == bits;
}

inline bool cpu_has_avxvnni() noexcept {
#if defined(LA_KERNELS_SIMDE)
  return cpu_has_avx2();
#elif defined(LA_KERNELS_DPBUSD_EVEX)
  return cpu_has_avx512vnni();
#else
  return cpu_has_avx2() && cpuid7(1, false, 1u << 4);
#endif
}

/// Tiles are state that the kernel must make room for: it is asked for permission, which counts for every thread of the
/// process, now and later. Without it (an old kernel, a sandbox) this set is not offered.
inline bool cpu_has_amx() noexcept {
#if defined(LA_KERNELS_AMX_EMULATION)
  return cpu_has_avx512vnni();
#elif defined(__linux__)
  constexpr unsigned tile_and_int8 = 3u << 24;
  constexpr int request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return cpu_has_avx512vnni() && cpuid7(0, true, tile_and_int8) &&
         ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#endif

#if defined(__aarch64__)
/// NEON is part of every aarch64; the dot products are not.
inline bool cpu_has_neondot() noexcept {
#if defined(__linux__)
  constexpr unsigned long dotprod = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & dotprod) != 0;
#elif defined(__APPLE__)
  return true;
#else
  return false;
#endif
}

inline bool cpu_has_neoni8mm() noexcept {
#if defined(__linux__)
  constexpr unsigned long i8mm = 1ul << 13;  // HWCAP2_I8MM
  return cpu_has_neondot() && (getauxval(AT_HWCAP2) & i8mm) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof has;
  return ::sysctlbyname("hw.optional.arm.FEAT_I8MM", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
#endif

#if defined(LA_BUILT_WASMRELAXED) && defined(LA_COMPILED)
bool cpu_has_wasmrelaxed() noexcept;  // of examples/wasm/relaxed.cpp: whether the engine takes its module
#elif defined(LA_BUILT_WASMRELAXED)
/// An engine without these instructions would not have taken this module.
inline bool cpu_has_wasmrelaxed() noexcept {
  return true;
}
#endif

inline bool always() noexcept {
  return true;
}

}  // namespace detail

LA_KERNELS_INLINE std::span<const Isa> built_in_isas() noexcept {
  static constexpr Isa isas[] = {
#if defined(LA_BUILT_AMX)
    {"amx", "AMX tiles of 8 bits, permitted by the kernel, and AVX-512 F, BW, CD, DQ, VL and VNNI",
     detail::cpu_has_amx, override_amx},
#endif
#if defined(LA_BUILT_AVX512VNNI)
    {"avx512vnni", "AVX-512 F, BW, CD, DQ, VL and VNNI", detail::cpu_has_avx512vnni, override_avx512vnni},
#endif
#if defined(LA_BUILT_AVX512)
    {"avx512", "AVX-512 F, BW, CD, DQ and VL", detail::cpu_has_avx512, override_avx512},
#endif
#if defined(LA_BUILT_AVXVNNI)
    {"avxvnni", "AVX2, FMA, F16C and AVX-VNNI", detail::cpu_has_avxvnni, override_avxvnni},
#endif
#if defined(LA_BUILT_AVX2)
    {"avx2", "AVX2, FMA and F16C", detail::cpu_has_avx2, override_avx2},
#endif
#if defined(LA_BUILT_NEONI8MM) && !defined(__APPLE__)
    {"neoni8mm", "NEON with 8-bit matrix products", detail::cpu_has_neoni8mm, override_neoni8mm},
#endif
#if defined(LA_BUILT_NEONDOT)
    {"neondot", "NEON with dot products", detail::cpu_has_neondot, override_neondot},
#endif
#if defined(LA_BUILT_NEONI8MM) && \
    defined(__APPLE__)  // an M3's smmla gives no more products a cycle than its sdot
    {"neoni8mm", "NEON with 8-bit matrix products", detail::cpu_has_neoni8mm, override_neoni8mm},
#endif
#if defined(LA_BUILT_NEON)
    {"neon", "NEON", detail::always, override_neon},
#endif
#if defined(LA_BUILT_WASMRELAXED)
    {"wasmrelaxed", "WebAssembly with relaxed-simd", detail::cpu_has_wasmrelaxed, override_wasmrelaxed},
#endif
#if defined(LA_BUILT_WASM)
    {"wasm", "WebAssembly with simd128", detail::always, override_wasm},
#endif
    {"scalar", "nothing", detail::always, override_scalar},
  };
  return isas;
}

namespace detail {

inline std::string runnable_isas() {
  std::string names;
  for (const Isa& isa : built_in_isas())
    if (isa.supported()) names += (names.empty() ? "" : ", ") + std::string(isa.name);
  return names;
}

}  // namespace detail

LA_KERNELS_INLINE Table select_isa(std::string_view name) {
  std::string source = "--isa";
  if (name.empty() || name == "best") {
    const char* requested = std::getenv("LA_ISA");
    name = requested ? requested : "";
    source = "LA_ISA";
  }
  const bool best = name.empty() || name == "best";
  for (const Isa& isa : built_in_isas()) {
    if (!best && isa.name != name) continue;
    if (!isa.supported()) {
      if (best) continue;
      throw IsaError(source + ": this CPU cannot run '" + std::string(name) + "', which needs " +
                     std::string(isa.needs) + "; it can run " + detail::runnable_isas());
    }
    Table table{};
    override_scalar(table);
    isa.override_entries(table);
    return table;
  }
  throw IsaError(source + ": expected one of " + detail::runnable_isas() + ", found '" + std::string(name) +
                 "'");
}

LA_KERNELS_INLINE std::vector<std::string_view> overridden_kernels(const Isa& isa) {
  Table reference{}, table{};
  override_scalar(reference);
  override_scalar(table);
  isa.override_entries(table);
  std::vector<std::string_view> names;
  const auto compare = [&](std::string_view name, const auto& ours, const auto& scalars) {
    if (ours != scalars) names.push_back(name);
  };
  constexpr std::string_view gemm[] = {"gemm_f32", "gemm_bf16", "gemm_q8", "gemm_q4_g128", "gemm_q4_g32"};
  constexpr std::string_view qgemm[] = {"", "", "qgemm_q8", "qgemm_q4_g128", "qgemm_q4_g32"};
  for (int f = 0; f < kPanelFormats; ++f) {
    compare(gemm[f], table.gemm.entry[f], reference.gemm.entry[f]);
    compare(qgemm[f], table.qgemm.entry[f], reference.qgemm.entry[f]);
  }
  compare("quantize", table.quantize, reference.quantize);
  compare("attention", table.attention, reference.attention);
  compare("attention_merge", table.attention_merge, reference.attention_merge);
  compare("layer_norm", table.layer_norm, reference.layer_norm);
  compare("rms_norm", table.rms_norm, reference.rms_norm);
  compare("rope_interleaved", table.rope_interleaved, reference.rope_interleaved);
  compare("rope_halves", table.rope_halves, reference.rope_halves);
  compare("gelu_tanh", table.gelu_tanh, reference.gelu_tanh);
  compare("gelu_erf", table.gelu_erf, reference.gelu_erf);
  compare("swiglu", table.swiglu, reference.swiglu);
  compare("softmax", table.softmax, reference.softmax);
  return names;
}

LA_KERNELS_INLINE std::string scalar_only_warning() {
#if defined(__x86_64__)
  if (built_in_isas().size() == 1 && detail::cpu_has_avx2()) {
    return "kernels: only the scalar ones were compiled, some 15 times slower than what this CPU can run: "
           "compile with "
           "-march=native or use the library";
  }
#endif
  return {};
}

}  // namespace la::inline LA_ABI::kernels
