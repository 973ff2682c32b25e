#define LA_KERNELS_RENAME_XSIMD xsimd_avx512
#include "avx512.hpp"

namespace la::kernels {
void override_avx512(Table& t) noexcept {
  avx512::override_entries(t);
}
}  // namespace la::kernels
