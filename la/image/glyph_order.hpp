#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// The characters of a line of text as they stand from left to right: composed (NFC), Arabic letters in their joined
/// forms, right-to-left runs turned round. Bytes that are no UTF-8, and controls, are U+FFFD. Scripts whose letters move
/// about, such as Devanagari, come letter by letter.
std::vector<char32_t> glyph_order(std::string_view utf8);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "glyph_order.cpp"
#endif
