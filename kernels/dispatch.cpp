#include "dispatch.hpp"

#include <cstdlib>

#include "../la/core/error.hpp"

// A compiled library links one object per instruction set and says which with LA_BUILT_*; header-only use takes
// what the including file is compiled for.
#if !defined(LA_COMPILED)
#include "isa/scalar.hpp"
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LA_BUILT_AVX2
#include "isa/avx2.hpp"
#endif
#endif

namespace la::kernels {

#if defined(LA_COMPILED)
void override_scalar(Table&) noexcept;
void override_avx2(Table&) noexcept;
#else
inline void override_scalar(Table& t) noexcept { scalar::override_entries(t); }
#if defined(LA_BUILT_AVX2)
inline void override_avx2(Table& t) noexcept { avx2::override_entries(t); }
#endif
#endif

LA_INLINE std::span<const Isa> built_in_isas() noexcept {
  static constexpr Isa isas[] = {
#if defined(LA_BUILT_AVX2)
      {"avx2", "AVX2, FMA, F16C",
       +[]() noexcept -> bool {
         return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
       },
       override_avx2},
#endif
      {"scalar", "nothing", +[]() noexcept { return true; }, override_scalar},
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
    const char* wish = std::getenv("LA_ISA");
    name = wish ? wish : "";
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
