#include "glyph_order.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

namespace la::inline LA_ABI {
namespace detail {

inline constexpr char32_t kReplacement = 0xfffd;

/// How a letter looks: alone, after one that it joins, before one, between two.
struct JoinedForms {
  char32_t isolated = 0, final = 0, initial = 0, medial = 0;
};

/// Forms of a letter, and of lam with the alef after it, which are always written as one; keyed by these letters.
using FormsTable = std::map<std::pair<char32_t, char32_t>, JoinedForms>;

/// From Unicode's presentation forms, which decompose to the letters.
inline const FormsTable& joined_forms() {
  static const FormsTable forms = [] {
    FormsTable all;
    constexpr char32_t kLam = 0x644;
    for (char32_t form = 0xfb50; form <= 0xfefc; ++form) {
      std::array<utf8proc_int32_t, 4> letters{};
      const auto parts =
          utf8proc_decompose_char(utf8proc_int32_t(form), letters.data(), 4,
                                  utf8proc_option_t(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), nullptr);
      if (parts < 1 || parts > 4) continue;  // words
      // The letters of text are composed too: a yeh with hamza is one.
      const auto count = utf8proc_normalize_utf32(letters.data(), parts,
                                                  utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
      const bool lam_alef = count == 2 && form >= 0xfef5 && char32_t(letters[0]) == kLam;
      if (count != 1 && !lam_alef) continue;
      if (count == 1) letters[1] = 0;
      JoinedForms& own = all[{char32_t(letters[0]), char32_t(letters[1])}];
      switch (utf8proc_get_property(utf8proc_int32_t(form))->decomp_type) {
        case UTF8PROC_DECOMP_TYPE_ISOLATED:
          own.isolated = form;
          break;
        case UTF8PROC_DECOMP_TYPE_FINAL:
          own.final = form;
          break;
        case UTF8PROC_DECOMP_TYPE_INITIAL:
          own.initial = form;
          break;
        case UTF8PROC_DECOMP_TYPE_MEDIAL:
          own.medial = form;
          break;
        default:
          break;
      }
    }
    return all;
  }();
  return forms;
}

inline const JoinedForms* forms_of(char32_t letter, char32_t next = 0) {
  const auto found = joined_forms().find({letter, next});
  return found == joined_forms().end() ? nullptr : &found->second;
}

inline std::vector<char32_t> composed(std::string_view utf8) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()), utf8proc_ssize_t(utf8.size()),
                   &mapped, utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  const auto* text = length < 0 ? reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()) : mapped;
  const utf8proc_ssize_t size = length < 0 ? utf8proc_ssize_t(utf8.size()) : length;
  std::vector<char32_t> all;
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t letter = 0;
    const auto bytes = utf8proc_iterate(text + at, size - at, &letter);
    const bool control = bytes > 0 && utf8proc_category(letter) == UTF8PROC_CATEGORY_CC;
    all.push_back(bytes <= 0 || control ? kReplacement : char32_t(letter));
    at += std::max<utf8proc_ssize_t>(1, bytes);
  }
  return all;
}

inline int bidi_class(char32_t letter) {
  return utf8proc_get_property(utf8proc_int32_t(letter))->bidi_class;
}

inline bool is_mark(char32_t letter) {
  return bidi_class(letter) == UTF8PROC_BIDI_CLASS_NSM;
}

/// Marks stand between letters without parting them.
inline void join_letters(std::vector<char32_t>& text) {
  const auto neighbour = [&](std::size_t place, int step) -> const JoinedForms* {
    for (place += std::size_t(step); place < text.size(); place += std::size_t(step))
      if (!is_mark(text[place])) return forms_of(text[place]);
    return nullptr;
  };
  std::vector<char32_t> joined;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const JoinedForms* pair = i + 1 < text.size() ? forms_of(text[i], text[i + 1]) : nullptr;
    const JoinedForms* own = pair ? pair : forms_of(text[i]);
    if (!own) {
      joined.push_back(text[i]);
      continue;
    }
    const JoinedForms *before = neighbour(i, -1), *after = neighbour(i, 1);
    const bool from = before && before->initial && own->final, to = after && after->final && own->initial;
    const char32_t form = from && to && own->medial ? own->medial
                          : from                    ? own->final
                          : to                      ? own->initial
                                                    : own->isolated;
    joined.push_back(form ? form : text[i]);
    if (pair) ++i;
  }
  text = std::move(joined);
}

/// -1 left, 1 right, 0 neither.
inline int direction_of(char32_t letter) {
  switch (bidi_class(letter)) {
    case UTF8PROC_BIDI_CLASS_R:
    case UTF8PROC_BIDI_CLASS_AL:
      return 1;
    case UTF8PROC_BIDI_CLASS_L:
    case UTF8PROC_BIDI_CLASS_EN:
    case UTF8PROC_BIDI_CLASS_AN:
      return -1;
    default:
      return 0;
  }
}

/// The sign that stands where this one does in text from the right.
inline char32_t mirrored(char32_t letter) {
  constexpr std::u32string_view kPairs = U"()[]{}<>\u00ab\u00bb\u2039\u203a";
  const std::size_t at = kPairs.find(letter);
  return at == kPairs.npos ? letter : kPairs[at ^ 1];
}

/// Directions of all characters: neutral ones take that of their neighbours where these agree, else the line's.
inline std::vector<int> directions_of(const std::vector<char32_t>& text, int line) {
  std::vector<int> directions;
  directions.reserve(text.size());
  for (const char32_t letter : text) directions.push_back(direction_of(letter));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (directions[i] != 0) continue;
    std::size_t end = i;
    while (end < text.size() && directions[end] == 0) ++end;
    const int before = i > 0 ? directions[i - 1] : line, after = end < text.size() ? directions[end] : line;
    const int own = is_mark(text[i]) || before == after ? before : line;
    std::fill(directions.begin() + std::ptrdiff_t(i), directions.begin() + std::ptrdiff_t(end), own);
  }
  return directions;
}

/// Runs from the right are turned around; in a line that begins from the right all runs come in reverse order too.
inline void turn_runs(std::vector<char32_t>& text) {
  const auto strong = std::find_if(text.begin(), text.end(), [](char32_t c) { return direction_of(c) != 0; });
  if (strong == text.end()) return;
  const int line = direction_of(*strong);
  const std::vector<int> directions = directions_of(text, line);
  std::vector<std::vector<char32_t>> runs;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 0 || directions[i] != directions[i - 1]) runs.emplace_back();
    runs.back().push_back(text[i]);
    if (directions[i] != 1) continue;
    runs.back().back() = mirrored(text[i]);
    // Marks come before their letters then, which is where fonts without positioning have them.
    if (i + 1 == text.size() || directions[i + 1] != 1) std::reverse(runs.back().begin(), runs.back().end());
  }
  if (line == 1) std::reverse(runs.begin(), runs.end());
  text.clear();
  for (const auto& run : runs) text.insert(text.end(), run.begin(), run.end());
}

}  // namespace detail

LA_INLINE std::vector<char32_t> glyph_order(std::string_view utf8) {
  std::vector<char32_t> text = detail::composed(utf8);
  detail::join_letters(text);
  detail::turn_runs(text);
  return text;
}

}  // namespace la::inline LA_ABI
