#pragma once

#include <simdjson.h>

#include <new>
#include <string_view>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI::detail {

/// A copy that simdjson may read a little past the end of.
/// fails: std::bad_alloc, where simdjson's own constructor gives a null pointer and goes on
inline simdjson::padded_string padded_text(std::string_view text) {
  simdjson::padded_string padded(text);
  if (!padded.data()) throw std::bad_alloc();
  return padded;
}

}  // namespace la::inline LA_ABI::detail
