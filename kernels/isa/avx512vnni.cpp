#define LA_KERNELS_RENAME_XSIMD xsimd_avx512vnni
#include "avx512vnni.hpp"

namespace la::kernels {
void override_avx512vnni(Table& t) noexcept {
  avx512vnni::override_entries(t);
}
}  // namespace la::kernels
