#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// One step through bytes that may not be UTF-8.
struct Utf8Step {
  char32_t code = 0;
  std::size_t length = 0;  ///< of the character, or of the maximal invalid subpart
  bool valid = false;
};

/// Reads what starts at `at` < bytes.size(). An invalid step covers the maximal subpart that one U+FFFD replaces.
/// source: the Unicode Standard, table 3-7 and section 3.9 "U+FFFD Substitution of Maximal Subparts"
Utf8Step utf8_step(std::string_view bytes, std::size_t at) noexcept;

void append_utf8(std::string& to, char32_t code);

/// error: (usage) the text is not UTF-8; the message starts with `what` and gives the byte offset
void require_utf8(std::string_view text, std::string_view what);

/// The code points of valid UTF-8.
std::u32string to_code_points(std::string_view utf8);

/// Any bytes as UTF-8, one U+FFFD for each maximal invalid subpart.
std::string to_valid_utf8(std::string_view bytes);

/// Normalisation form C.
/// cost: O(n log n), also for long runs of combining marks
std::u32string nfc(std::u32string text);

/// The classes of the split pattern: \p{L}, \p{N} and \s (the property White_Space), or none of them.
enum class CharacterClass { letter, number, space, other };
CharacterClass character_class(char32_t code) noexcept;

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "unicode.cpp"
#endif
