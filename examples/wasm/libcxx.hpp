#pragma once

// Included before everything, by the compiler's command line: what la uses of C++20 and the libc++ of emscripten lacks, that
// of Debian 12 (13) most of it, that of Debian 13 (19) from_chars of floats.
#if defined(__cplusplus)
#include <version>

#if defined(_LIBCPP_VERSION) && _LIBCPP_VERSION < 200000
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace std {
#if _LIBCPP_VERSION < 14000

template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

namespace la_numbers {

inline to_chars_result put(char* first, char* last, const string& text) {
  if (last - first < ptrdiff_t(text.size())) return {last, errc::value_too_large};
  memcpy(first, text.data(), text.size());
  return {first + text.size(), errc()};
}

template <class... Values>
string print(const char* format, Values... values) {
  char text[512];
  return string(text, size_t(snprintf(text, sizeof text, format, values...)));
}

/// The fewest digits that are read as the same number; of the plain and the scientific form the shorter, or the plain.
template <class Float>
string shortest(Float value, Float (*parse)(const char*, char**)) {
  string scientific;
  int digits = 0;
  do scientific = print("%.*e", digits, double(value));
  while (parse(scientific.c_str(), nullptr) != value && ++digits < 17);
  const int exponent = atoi(scientific.c_str() + scientific.find('e') + 1);
  const string plain = print("%.*f", digits > exponent ? digits - exponent : 0, double(value));
  return plain.size() <= scientific.size() ? plain : scientific;
}

}  // namespace la_numbers

inline to_chars_result to_chars(char* first, char* last, double value) {
  return la_numbers::put(first, last, la_numbers::shortest<double>(value, strtod));
}
inline to_chars_result to_chars(char* first, char* last, float value) {
  return la_numbers::put(first, last, la_numbers::shortest<float>(value, strtof));
}
/// Plain alone, which is all that la asks for.
inline to_chars_result to_chars(char* first, char* last, double value, chars_format, int precision) {
  return la_numbers::put(first, last, la_numbers::print("%.*f", precision, value));
}

#endif

namespace la_numbers {

/// Without leading space, plus or hexadecimals, which the C function takes.
template <class Float>
from_chars_result read(const char* first, const char* last, Float& value,
                       Float (*parse)(const char*, char**)) {
  const string text(first, last);
  const char* digits = text.c_str() + (text[0] == '-' ? 1 : 0);
  char* end = nullptr;
  const Float number = parse(text.c_str(), &end);
  if (end == text.c_str() || *digits == '+' || strchr(" \t\n\v\f\r", *digits))
    return {first, errc::invalid_argument};
  const bool hexadecimal = digits[0] == '0' && (digits[1] | 32) == 'x';
  value = hexadecimal ? 0 : number;
  return {first + ((hexadecimal ? digits + 1 : end) - text.c_str()), errc()};
}

}  // namespace la_numbers

inline from_chars_result from_chars(const char* first, const char* last, double& value) {
  return la_numbers::read<double>(first, last, value, strtod);
}
inline from_chars_result from_chars(const char* first, const char* last, float& value) {
  return la_numbers::read<float>(first, last, value, strtof);
}

}  // namespace std
#endif
#endif
