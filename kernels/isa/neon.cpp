#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_neon
#include "neon.hpp"
