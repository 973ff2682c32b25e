#include "glyph_order.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>

namespace la::inline LA_ABI {
namespace detail {

inline constexpr char32_t kReplacement = 0xfffd;

/// How a letter looks: alone, after one that it joins, before one, between two.
struct JoinedForms {
  char32_t isolated = 0, final = 0, initial = 0, medial = 0;
};

/// From Unicode's presentation forms, which decompose to the letter.
inline const std::map<char32_t, JoinedForms>& joined_forms() {
  static const std::map<char32_t, JoinedForms> forms = [] {
    std::map<char32_t, JoinedForms> all;
    for (char32_t form = 0xfb50; form <= 0xfef4; ++form) {
      const auto* property = utf8proc_get_property(utf8proc_int32_t(form));
      std::array<utf8proc_int32_t, 4> letters{};
      const auto count =
          utf8proc_decompose_char(utf8proc_int32_t(form), letters.data(), 4, UTF8PROC_COMPAT, nullptr);
      // A letter with marks of its own decomposes twice; its one base stands for it only where it is alone.
      if (count != 1) continue;
      JoinedForms& letter = all[char32_t(letters[0])];
      switch (property->decomp_type) {
        case UTF8PROC_DECOMP_TYPE_ISOLATED:
          letter.isolated = form;
          break;
        case UTF8PROC_DECOMP_TYPE_FINAL:
          letter.final = form;
          break;
        case UTF8PROC_DECOMP_TYPE_INITIAL:
          letter.initial = form;
          break;
        case UTF8PROC_DECOMP_TYPE_MEDIAL:
          letter.medial = form;
          break;
        default:
          break;
      }
    }
    return all;
  }();
  return forms;
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
  const auto forms_at = [&](std::ptrdiff_t place, std::ptrdiff_t step) -> const JoinedForms* {
    for (place += step; place >= 0 && place < std::ptrdiff_t(text.size()); place += step) {
      if (is_mark(text[std::size_t(place)])) continue;
      const auto found = joined_forms().find(text[std::size_t(place)]);
      return found == joined_forms().end() ? nullptr : &found->second;
    }
    return nullptr;
  };
  std::vector<char32_t> joined = text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto found = joined_forms().find(text[i]);
    if (found == joined_forms().end()) continue;
    const JoinedForms &own = found->second, *before = forms_at(std::ptrdiff_t(i), -1),
                      *after = forms_at(std::ptrdiff_t(i), 1);
    const bool from = before && before->initial && own.final, to = after && after->final && own.initial;
    const char32_t form = from && to && own.medial ? own.medial
                          : from                   ? own.final
                          : to                     ? own.initial
                                                   : own.isolated;
    if (form) joined[i] = form;
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

/// Runs of one direction, neutral characters with the run before them unless both neighbours differ from it; in a line
/// that begins from the right the runs come in reverse order.
inline void turn_runs(std::vector<char32_t>& text) {
  const auto strong = std::find_if(text.begin(), text.end(), [](char32_t c) { return direction_of(c) != 0; });
  if (strong == text.end()) return;
  const int base = direction_of(*strong);
  std::vector<int> directions;
  for (const char32_t letter : text) directions.push_back(direction_of(letter));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (directions[i] != 0) continue;
    std::size_t end = i;
    while (end < text.size() && directions[end] == 0) ++end;
    const int before = i > 0 ? directions[i - 1] : base, after = end < text.size() ? directions[end] : base;
    std::fill(directions.begin() + std::ptrdiff_t(i), directions.begin() + std::ptrdiff_t(end),
              is_mark(text[i]) || before == after ? before : base);
  }
  std::vector<std::vector<char32_t>> runs;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 0 || directions[i] != directions[i - 1]) runs.emplace_back();
    runs.back().push_back(text[i]);
    if (directions[i] == 1 && (i + 1 == text.size() || directions[i + 1] != 1))
      std::reverse(runs.back().begin(), runs.back().end());
  }
  if (base == 1) std::reverse(runs.begin(), runs.end());
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
