#define LA_KERNELS_RENAME_XSIMD xsimd_neon
#include "neon.hpp"

namespace la::kernels {
void override_neon(Table& t) noexcept {
  neon::override_entries(t);
}
}  // namespace la::kernels
