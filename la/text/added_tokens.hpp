#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// The tokens that are found in the raw text before it is split: special tokens, coordinates, separators.
class AddedTokens {
 public:
  struct Token {
    std::string text;
    std::int32_t id = -1;
  };

  AddedTokens() = default;
  /// The texts are not empty and differ from one another.
  explicit AddedTokens(std::vector<Token> tokens);

  /// The longest token that `text` starts with; null when there is none.
  /// cost: O(length of the longest token * log(tokens)); constant for a byte that starts none
  const Token* longest_prefix(std::string_view text) const noexcept;
  /// The token with exactly this text; null when there is none.
  const Token* find(std::string_view text) const noexcept;

 private:
  std::vector<Token> tokens_;  // by text
  std::bitset<256> first_bytes_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "added_tokens.cpp"
#endif
