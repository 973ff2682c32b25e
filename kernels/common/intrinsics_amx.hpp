#pragma once

// The tile intrinsics of AMX. They are macros of literal register numbers, and the compiler does not know that tiles
// read and write memory: see tiles_fence in qgemm_amx.hpp. LA_KERNELS_AMX_EMULATION names a header that puts plain
// functions in their place, so that the kernels can be tested on a CPU without tiles.
#if defined(LA_KERNELS_AMX_EMULATION)
#include LA_KERNELS_AMX_EMULATION
#else
#include <immintrin.h>
#endif
