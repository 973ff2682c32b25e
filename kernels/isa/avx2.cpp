#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_avx2
#include "avx2.hpp"
