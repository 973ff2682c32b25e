#pragma once

#include "../../kernels/abi.hpp"

// stb_image (JPEG, PNG and BMP only) as la::detail::stb_reader. It lives in a namespace and its guard and
// settings are set aside around the include, so that a program may include its own copy, configured its own
// way, before or after this file. The standard headers come first: stb_image must not pull them into the
// namespace.

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_STATIC")
#pragma push_macro("STBIDEF")
#pragma push_macro("STBI_NO_STDIO")
#pragma push_macro("STBI_ONLY_JPEG")
#pragma push_macro("STBI_ONLY_PNG")
#pragma push_macro("STBI_ONLY_BMP")
#pragma push_macro("STBI_NO_JPEG")
#pragma push_macro("STBI_NO_PNG")
#pragma push_macro("STBI_NO_BMP")
#pragma push_macro("STBI_NO_PSD")
#pragma push_macro("STBI_NO_TGA")
#pragma push_macro("STBI_NO_GIF")
#pragma push_macro("STBI_NO_HDR")
#pragma push_macro("STBI_NO_PIC")
#pragma push_macro("STBI_NO_PNM")
#pragma push_macro("STBI_NO_LINEAR")
#pragma push_macro("STBI_NO_SIMD")
#pragma push_macro("STBI_NEON")
#pragma push_macro("STBI_NO_ZLIB")
#pragma push_macro("STBI_FAILURE_USERMSG")
#pragma push_macro("STBI_NO_FAILURE_STRINGS")
#pragma push_macro("STBI_ASSERT")
#pragma push_macro("STBI_MALLOC")
#pragma push_macro("STBI_REALLOC")
#pragma push_macro("STBI_REALLOC_SIZED")
#pragma push_macro("STBI_FREE")
#pragma push_macro("STBI_MAX_DIMENSIONS")
#pragma push_macro("STBI_HAS_LROTL")
#pragma push_macro("_lrotl")
#pragma push_macro("stbi_lrot")
#pragma push_macro("stbi__err")
#undef STBI_INCLUDE_STB_IMAGE_H
#undef STB_IMAGE_IMPLEMENTATION
#undef STB_IMAGE_STATIC
#undef STBIDEF
#undef STBI_NO_STDIO
#undef STBI_ONLY_JPEG
#undef STBI_ONLY_PNG
#undef STBI_ONLY_BMP
#undef STBI_NO_JPEG
#undef STBI_NO_PNG
#undef STBI_NO_BMP
#undef STBI_NO_PSD
#undef STBI_NO_TGA
#undef STBI_NO_GIF
#undef STBI_NO_HDR
#undef STBI_NO_PIC
#undef STBI_NO_PNM
#undef STBI_NO_LINEAR
#undef STBI_NO_SIMD
#undef STBI_NEON
#undef STBI_NO_ZLIB
#undef STBI_FAILURE_USERMSG
#undef STBI_NO_FAILURE_STRINGS
#undef STBI_ASSERT
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_REALLOC_SIZED
#undef STBI_FREE
#undef STBI_MAX_DIMENSIONS
#undef STBI_HAS_LROTL
#undef _lrotl
#undef stbi_lrot
#undef stbi__err

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#if defined(__aarch64__)
#define STBI_NEON
#endif
// Zeroed, because a JPEG can refer to tables that it never defines.
#define STBI_MALLOC(size) calloc(1, size)
#define STBI_REALLOC(pointer, size) limited_realloc(pointer, size)
#define STBI_FREE(pointer) free(pointer)
// How a JPEG's next bits are taken, where `j` is the decoder.
#define STBI_HAS_LROTL
#define _lrotl(buffer, bits) take_bits(*j, bits)

namespace la::inline LA_ABI::detail::stb_reader {

/// Blocks grow while compressed data is expanded: no further than this, and then `refused` is set.
struct GrowthLimit {
  size_t bytes = SIZE_MAX;
  bool refused = false;
};

inline thread_local GrowthLimit growth_limit;

inline void* limited_realloc(void* pointer, size_t size) {
  if (size <= growth_limit.bytes) return realloc(pointer, size);
  growth_limit.refused = true;
  return nullptr;
}

/// stb_image's memcpy: it copies an empty chunk to a block that is not there yet, which the standard's does not allow.
inline void memcpy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) ::memcpy(to, from, bytes);
}

/// The next `bits` bits of the scan, in the lowest bits. Bits behind the end of the scan count as zeros. (stb_image before
/// 2.28 lets its count of bits go below zero there, and shifts by it.)
template <class Jpeg>
unsigned take_bits(Jpeg& jpeg, int bits) {
  if (jpeg.code_bits < bits) jpeg.code_bits = bits;
  // First coefficients are sums of differences from block to block, of at most 11 bits each (see huffman_table_fault).
  // Pictures keep them within 12 bits; damaged data starts again before one more, times 16 bits, overflows an int.
  for (auto& component : jpeg.img_comp)
    if (component.dc_pred > 30000 || component.dc_pred < -30000) component.dc_pred = 0;
  return jpeg.code_buffer << bits | jpeg.code_buffer >> (-bits & 31);
}

}  // namespace la::inline LA_ABI::detail::stb_reader

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
namespace la::inline LA_ABI::detail::stb_reader {
#include <stb/stb_image.h>
}
#pragma GCC diagnostic pop

#pragma pop_macro("stbi__err")
#pragma pop_macro("stbi_lrot")
#pragma pop_macro("_lrotl")
#pragma pop_macro("STBI_HAS_LROTL")
#pragma pop_macro("STBI_MAX_DIMENSIONS")
#pragma pop_macro("STBI_FREE")
#pragma pop_macro("STBI_REALLOC_SIZED")
#pragma pop_macro("STBI_REALLOC")
#pragma pop_macro("STBI_MALLOC")
#pragma pop_macro("STBI_ASSERT")
#pragma pop_macro("STBI_NO_FAILURE_STRINGS")
#pragma pop_macro("STBI_FAILURE_USERMSG")
#pragma pop_macro("STBI_NO_ZLIB")
#pragma pop_macro("STBI_NEON")
#pragma pop_macro("STBI_NO_SIMD")
#pragma pop_macro("STBI_NO_LINEAR")
#pragma pop_macro("STBI_NO_PNM")
#pragma pop_macro("STBI_NO_PIC")
#pragma pop_macro("STBI_NO_HDR")
#pragma pop_macro("STBI_NO_GIF")
#pragma pop_macro("STBI_NO_TGA")
#pragma pop_macro("STBI_NO_PSD")
#pragma pop_macro("STBI_NO_BMP")
#pragma pop_macro("STBI_NO_PNG")
#pragma pop_macro("STBI_NO_JPEG")
#pragma pop_macro("STBI_ONLY_BMP")
#pragma pop_macro("STBI_ONLY_PNG")
#pragma pop_macro("STBI_ONLY_JPEG")
#pragma pop_macro("STBI_NO_STDIO")
#pragma pop_macro("STBIDEF")
#pragma pop_macro("STB_IMAGE_STATIC")
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")
