#pragma once

// stb_easy_font as la::detail::stb_font, set apart from a program's own copy as in stb_reader.hpp.

#include <math.h>
#include <stdlib.h>

#include "../../kernels/abi.hpp"

#pragma push_macro("INCLUDE_STB_EASY_FONT_H")
#undef INCLUDE_STB_EASY_FONT_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
namespace la::inline LA_ABI::detail::stb_font {
#include <stb/stb_easy_font.h>
}
#pragma GCC diagnostic pop

#pragma pop_macro("INCLUDE_STB_EASY_FONT_H")
