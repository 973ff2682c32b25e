#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_neoni8mm
#include "neoni8mm.hpp"
