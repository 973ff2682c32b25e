#include "unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "../core/error.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// A lead byte's length and the range of its first continuation byte; the others are 80..BF.
struct Utf8Lead {
  std::size_t length;
  std::uint8_t low, high;
};

inline Utf8Lead utf8_lead(std::uint8_t byte) noexcept {
  if (byte < 0xc2 || byte > 0xf4) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  switch (byte) {
    case 0xe0:
      return {3, 0xa0, 0xbf};  // below: overlong
    case 0xed:
      return {3, 0x80, 0x9f};  // above: surrogates
    case 0xf0:
      return {4, 0x90, 0xbf};  // below: overlong
    case 0xf4:
      return {4, 0x80, 0x8f};  // above: beyond U+10FFFF
    default:
      return {byte < 0xf0 ? std::size_t{3} : std::size_t{4}, 0x80, 0xbf};
  }
}

inline int combining_class(char32_t code) noexcept {
  return utf8proc_get_property(utf8proc_int32_t(code))->combining_class;
}

/// Canonical decomposition without the reordering of marks.
inline std::vector<utf8proc_int32_t> canonical_decomposition(std::u32string_view text,
                                                             utf8proc_option_t options) {
  std::vector<utf8proc_int32_t> out;
  out.reserve(text.size() + text.size() / 4);
  std::array<utf8proc_int32_t, 8> part{};  // the longest canonical decomposition has four
  for (const char32_t code : text) {
    const auto count =
        utf8proc_decompose_char(utf8proc_int32_t(code), part.data(), part.size(), options, nullptr);
    require(count >= 0 && std::size_t(count) <= part.size(), "U+", std::uint32_t(code),
            ": cannot be decomposed");
    out.insert(out.end(), part.begin(), part.begin() + count);
  }
  return out;
}

/// Sorts each run of combining marks by class; utf8proc's own sort is quadratic in the length of a run.
inline void reorder_marks(std::vector<utf8proc_int32_t>& text) {
  const auto starter = [](utf8proc_int32_t code) { return combining_class(char32_t(code)) == 0; };
  const auto before = [](utf8proc_int32_t a, utf8proc_int32_t b) {
    return combining_class(char32_t(a)) < combining_class(char32_t(b));
  };
  for (auto run = text.begin(); run != text.end();) {
    run = std::find_if_not(run, text.end(), starter);
    const auto end = std::find_if(run, text.end(), starter);
    std::stable_sort(run, end, before);
    run = end;
  }
}

}  // namespace detail

LA_INLINE Utf8Step utf8_step(std::string_view bytes, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint8_t first = byte(at);
  if (first < 0x80) return {first, 1, true};
  auto [length, low, high] = detail::utf8_lead(first);
  if (length == 0) return {0, 1, false};
  char32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i == bytes.size() || byte(at + i) < low || byte(at + i) > high) return {0, i, false};
    code = code << 6 | (byte(at + i) & 0x3fu);
    low = 0x80, high = 0xbf;
  }
  return {code, length, true};
}

LA_INLINE void append_utf8(std::string& to, char32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto length = utf8proc_encode_char(utf8proc_int32_t(code), bytes.data());
  to.append(reinterpret_cast<const char*>(bytes.data()), std::size_t(length));
}

LA_INLINE void require_utf8(std::string_view text, std::string_view what) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid) fail_usage(what, ": not valid UTF-8 at byte offset ", at, " of ", text.size());
    at += step.length;
  }
}

LA_INLINE std::u32string to_code_points(std::string_view utf8) {
  std::u32string out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const Utf8Step step = utf8_step(utf8, at);
    out.push_back(step.code);
    at += step.length;
  }
  return out;
}

LA_INLINE std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes, at);
    if (step.valid) {
      out.append(bytes, at, step.length);
    } else {
      append_utf8(out, 0xfffd);
    }
    at += step.length;
  }
  return out;
}

LA_INLINE std::u32string nfc(std::u32string text) {
  // Below U+0300, the first combining mark, every text is in form C.
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return code < 0x300; })) return text;
  const auto options = utf8proc_option_t(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  auto decomposed = detail::canonical_decomposition(text, options);
  detail::reorder_marks(decomposed);
  const auto length =
      utf8proc_normalize_utf32(decomposed.data(), utf8proc_ssize_t(decomposed.size()), options);
  return {decomposed.begin(), decomposed.begin() + length};
}

LA_INLINE CharacterClass character_class(char32_t code) noexcept {
  if ((code >= 9 && code <= 13) || code == 0x85)
    return CharacterClass::space;  // control characters by category
  switch (utf8proc_category(utf8proc_int32_t(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharacterClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharacterClass::number;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharacterClass::space;
    default:
      return CharacterClass::other;
  }
}

}  // namespace la::inline LA_ABI
