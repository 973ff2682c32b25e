#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_avx512vnni
#include "avx512vnni.hpp"
