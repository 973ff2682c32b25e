#pragma once

#include <string>
#include <string_view>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// The text as a JSON string with its quotes, on one line. Bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

/// The shortest number that reads back as the same value; `null` for infinities and NaN, which JSON lacks.
std::string json_number(double value);
std::string json_number(float value);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "json_write.cpp"
#endif
