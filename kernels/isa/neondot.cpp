#define LA_KERNELS_RENAME_XSIMD xsimd_neondot
#include "neondot.hpp"

namespace la::kernels {
void override_neondot(Table& t) noexcept {
  neondot::override_entries(t);
}
}  // namespace la::kernels
