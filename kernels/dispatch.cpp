#include "dispatch.hpp"

#include <cstdlib>

#include "../la/core/error.hpp"

// A compiled library links one object per instruction set and says which with LA_BUILT_*; header-only use takes
// what the including file is compiled for.
#if !defined(LA_COMPILED)
#include "isa/scalar.hpp"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define LA_BUILT_AVX512VNNI
#include "isa/avx512vnni.hpp"
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define LA_BUILT_AVX512
#include "isa/avx512.hpp"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LA_BUILT_AVX2
#include "isa/avx2.hpp"
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define LA_BUILT_NEONDOT
#include "isa/neondot.hpp"
#elif defined(__aarch64__)
#define LA_BUILT_NEON
#include "isa/neon.hpp"
#elif defined(__x86_64__) && !defined(LA_SCALAR)
#pragma message("la: only the scalar kernels, some 15 times slower: compile with -march=native or define LA_SCALAR")
#endif
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace la::kernels {

#if defined(LA_COMPILED)
void override_scalar(Table&) noexcept;
void override_avx2(Table&) noexcept;
void override_avx512(Table&) noexcept;
void override_avx512vnni(Table&) noexcept;
void override_neon(Table&) noexcept;
void override_neondot(Table&) noexcept;
#else
inline void override_scalar(Table& t) noexcept {
  scalar::override_entries(t);
}
#if defined(LA_BUILT_AVX512VNNI)
inline void override_avx512vnni(Table& t) noexcept {
  avx512vnni::override_entries(t);
}
#elif defined(LA_BUILT_AVX512)
inline void override_avx512(Table& t) noexcept {
  avx512::override_entries(t);
}
#elif defined(LA_BUILT_AVX2)
inline void override_avx2(Table& t) noexcept {
  avx2::override_entries(t);
}
#elif defined(LA_BUILT_NEONDOT)
inline void override_neondot(Table& t) noexcept {
  neondot::override_entries(t);
}
#elif defined(LA_BUILT_NEON)
inline void override_neon(Table& t) noexcept {
  neon::override_entries(t);
}
#endif
#endif

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
#endif

inline bool always() noexcept {
  return true;
}

}  // namespace detail

LA_INLINE std::span<const Isa> built_in_isas() noexcept {
  static constexpr Isa isas[] = {
#if defined(LA_BUILT_AVX512VNNI)
    {"avx512vnni", "AVX-512 F, BW, CD, DQ, VL and VNNI", detail::cpu_has_avx512vnni, override_avx512vnni},
#endif
#if defined(LA_BUILT_AVX512)
    {"avx512", "AVX-512 F, BW, CD, DQ and VL", detail::cpu_has_avx512, override_avx512},
#endif
#if defined(LA_BUILT_AVX2)
    {"avx2", "AVX2, FMA and F16C", detail::cpu_has_avx2, override_avx2},
#endif
#if defined(LA_BUILT_NEONDOT)
    {"neondot", "NEON with dot products", detail::cpu_has_neondot, override_neondot},
#endif
#if defined(LA_BUILT_NEON)
    {"neon", "NEON", detail::always, override_neon},
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

LA_INLINE Table select_isa(std::string_view name) {
  std::string_view source = "--isa";
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
      fail_usage(source, ": this CPU cannot run '", name, "', which needs ", isa.needs, "; it can run ",
                 detail::runnable_isas());
    }
    Table table{};
    override_scalar(table);
    isa.override_entries(table);
    return table;
  }
  fail_usage(source, ": expected one of ", detail::runnable_isas(), ", found '", name, "'");
}

LA_INLINE std::string scalar_only_warning() {
#if defined(__x86_64__)
  if (built_in_isas().size() == 1 && detail::cpu_has_avx2())
    return "only scalar kernels were compiled in, some 15 times slower than this CPU's vectors: compile with -march=native, "
           "or link the library";
#endif
  return "";
}

LA_INLINE std::vector<std::string_view> overridden_kernels(const Isa& isa) {
  Table reference{}, table{};
  override_scalar(reference);
  override_scalar(table);
  isa.override_entries(table);
  std::vector<std::string_view> names;
  const auto compare = [&](std::string_view name, auto member) {
    if (table.*member != reference.*member) names.push_back(name);
  };
  compare("gemm_f32", &Table::gemm_f32);
  compare("gemm_bf16", &Table::gemm_bf16);
  compare("gemm_q8", &Table::gemm_q8);
  compare("gemm_q4_g128", &Table::gemm_q4_g128);
  compare("gemm_q4_g32", &Table::gemm_q4_g32);
  compare("quantize", &Table::quantize);
  compare("qgemm_q8", &Table::qgemm_q8);
  compare("qgemm_q4_g128", &Table::qgemm_q4_g128);
  compare("qgemm_q4_g32", &Table::qgemm_q4_g32);
  compare("attention", &Table::attention);
  compare("layer_norm", &Table::layer_norm);
  compare("rms_norm", &Table::rms_norm);
  compare("rope_interleaved", &Table::rope_interleaved);
  compare("rope_halves", &Table::rope_halves);
  compare("gelu_tanh", &Table::gelu_tanh);
  compare("gelu_erf", &Table::gelu_erf);
  compare("swiglu", &Table::swiglu);
  compare("add", &Table::add);
  compare("softmax", &Table::softmax);
  return names;
}

}  // namespace la::kernels
