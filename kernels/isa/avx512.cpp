#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_avx512
#include "avx512.hpp"
