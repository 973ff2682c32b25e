#pragma once

#include "../../kernels/abi.hpp"

/// Header-only and compiled use differ by one macro. By default every header pulls in the `.cpp` body beside it
/// and its functions are `inline`; with LA_COMPILED (set by the build system's `la` dependency) the bodies come
/// from the library instead.
#if defined(LA_COMPILED)
#define LA_INLINE
#else
#define LA_INLINE inline
#endif
