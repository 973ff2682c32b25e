#define LA_KERNELS_INLINE
#define LA_KERNELS_RENAME_XSIMD xsimd_wasm
#include "wasm.hpp"
