#define LA_KERNELS_RENAME_XSIMD xsimd_avx2
#include "avx2.hpp"

namespace la::kernels {
void override_avx2(Table& t) noexcept {
  avx2::override_entries(t);
}
}  // namespace la::kernels
