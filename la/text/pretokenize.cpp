#include "pretokenize.hpp"

#include "unicode.hpp"

namespace la::inline LA_ABI {

namespace detail {

inline bool is_line_break(char32_t code) noexcept {
  return code == U'\r' || code == U'\n';
}

/// The end of the run of characters of one class from `at`.
inline std::size_t class_run_end(std::u32string_view text, std::size_t at, CharacterClass kind) noexcept {
  while (at < text.size() && character_class(text[at]) == kind) ++at;
  return at;
}

/// A letter of the contractions in lower case. U+017F, the long s, is an s when case is ignored.
inline char32_t folded_letter(char32_t code) noexcept {
  if (code == 0x17f) return U's';
  return code >= U'A' && code <= U'Z' ? code + 32 : code;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d): its length at `at`, or 0.
inline std::size_t contraction(std::u32string_view text, std::size_t at) noexcept {
  if (text[at] != U'\'' || at + 1 == text.size()) return 0;
  const char32_t first = folded_letter(text[at + 1]);
  if (first == U's' || first == U't' || first == U'm' || first == U'd') return 2;
  if (at + 2 == text.size()) return 0;
  const char32_t second = folded_letter(text[at + 2]);
  const bool matches =
      (second == U'e' && (first == U'r' || first == U'v')) || (first == U'l' && second == U'l');
  return matches ? 3 : 0;
}

/// \s*[\r\n]+ | \s+(?!\S) | \s+ at a white space.
inline std::size_t space_end(std::u32string_view text, std::size_t begin) noexcept {
  const std::size_t end = class_run_end(text, begin, CharacterClass::space);
  for (std::size_t at = end; at > begin; --at) {
    if (is_line_break(text[at - 1])) return at;
  }
  // The last blank before a word belongs to that word, unless it is the only one.
  return end == text.size() || end - begin == 1 ? end : end - 1;
}

}  // namespace detail

LA_INLINE std::size_t word_end(std::u32string_view text, std::size_t begin) noexcept {
  using enum CharacterClass;
  if (const std::size_t length = detail::contraction(text, begin)) return begin + length;

  const CharacterClass first = character_class(text[begin]);
  if (first == letter) return detail::class_run_end(text, begin + 1, letter);
  if (first == number) return begin + 1;
  if (!detail::is_line_break(text[begin])) {
    const std::size_t letters = detail::class_run_end(text, begin + 1, letter);
    if (letters > begin + 1) return letters;
  }
  const std::size_t marks = begin + (text[begin] == U' ' ? 1 : 0);
  std::size_t end = detail::class_run_end(text, marks, other);
  if (end == marks) return detail::space_end(text, begin);
  while (end < text.size() && detail::is_line_break(text[end])) ++end;
  return end;
}

}  // namespace la::inline LA_ABI
