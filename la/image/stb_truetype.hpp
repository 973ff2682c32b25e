#pragma once

#include "../../kernels/abi.hpp"

// stb_truetype as la::detail::stb_outlines, set apart from a program's own copy as in stb_reader.hpp.

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#pragma push_macro("__STB_INCLUDE_STB_TRUETYPE_H__")
#pragma push_macro("STB_TRUETYPE_IMPLEMENTATION")
#pragma push_macro("STBTT_STATIC")
#pragma push_macro("STBTT_DEF")
#undef __STB_INCLUDE_STB_TRUETYPE_H__
#undef STBTT_DEF
#undef STB_TRUETYPE_IMPLEMENTATION
#undef STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
#define STBTT_STATIC

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wunused-parameter"
namespace la::inline LA_ABI::detail::stb_outlines {
#include <stb/stb_truetype.h>
}
#pragma GCC diagnostic pop

#pragma pop_macro("STBTT_DEF")
#pragma pop_macro("STBTT_STATIC")
#pragma pop_macro("STB_TRUETYPE_IMPLEMENTATION")
#pragma pop_macro("__STB_INCLUDE_STB_TRUETYPE_H__")
