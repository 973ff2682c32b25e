#pragma once

#include <charconv>
#include <string>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// As printf's %.*f in the "C" locale, whatever the program's locale is.
inline std::string decimal(double value, int digits) {
  char text[400];  // the largest double has 309 digits before the point
  const auto result = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return {text, result.ptr};
}

}  // namespace la::inline LA_ABI
