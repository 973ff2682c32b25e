#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_neondot
#include "neondot.hpp"
