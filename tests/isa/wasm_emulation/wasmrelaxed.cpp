#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_wasmrelaxed
#include "../../../kernels/isa/wasmrelaxed.hpp"

#include <cstdlib>
#include <string_view>

namespace la::test {

RelaxedEngine emulated_engine() noexcept {
  static const RelaxedEngine engine = [] {
    const char* named = std::getenv("LA_EMULATED_ENGINE");
    const std::string_view name = named ? named : "";
    if (name == "dpbusd") return RelaxedEngine::dpbusd;
    if (name == "sdot") return RelaxedEngine::sdot;
    if (name == "pmaddubsw") return RelaxedEngine::pmaddubsw;
    std::abort();
  }();
  return engine;
}

}  // namespace la::test

namespace la::inline LA_ABI::kernels::detail {

bool cpu_has_wasmrelaxed() noexcept {
  return true;
}

}  // namespace la::inline LA_ABI::kernels::detail
