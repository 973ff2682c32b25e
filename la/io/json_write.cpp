#include "json_write.hpp"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "../../kernels/common/float_bits.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Bytes of the UTF-8 character that the text starts with; 0 when it starts with none.
inline std::size_t utf8_length(std::string_view text) {
  for (std::size_t n = 1; n <= 4 && n <= text.size(); ++n) {
    if (simdjson::validate_utf8(text.data(), n)) return n;
  }
  return 0;
}

inline std::string json_escape(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 ? std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15] : std::string(1, c);
}

template <class Float>
std::string shortest_number(Float value) {
  if (!is_finite(value)) return "null";
  std::array<char, 32> text;  // the longest double has 24 characters
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

}  // namespace detail

LA_INLINE std::string json_quote(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    if (length == 0) {
      quoted += "\xEF\xBF\xBD";
    } else if (length == 1) {
      quoted += detail::json_escape(text.front());
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + '"';
}

LA_INLINE std::string json_number(double value) {
  return detail::shortest_number(value);
}

LA_INLINE std::string json_number(float value) {
  return detail::shortest_number(value);
}

}  // namespace la::inline LA_ABI
