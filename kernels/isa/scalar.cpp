#define LA_KERNELS_INLINE
#include "scalar.hpp"
