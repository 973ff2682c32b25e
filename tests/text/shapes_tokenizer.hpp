#pragma once

#include <simdjson.h>

#include <cstdint>
#include <vector>

#include "../../la/text/tokenizer.hpp"
#include "../support.hpp"

namespace la::test {

/// The tokenizer of the bundled model.
inline const Tokenizer& shapes() {
  static const Tokenizer tokenizer = Tokenizer::load(source("data/shapes"));
  return tokenizer;
}

inline std::vector<std::int32_t> ids_of(simdjson::dom::element value) {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : value.get_array()) ids.push_back(std::int32_t(id));
  return ids;
}

}  // namespace la::test
