#include "added_tokens.hpp"

#include <algorithm>
#include <utility>

namespace la::inline LA_ABI {

LA_INLINE AddedTokens::AddedTokens(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const Token& a, const Token& b) { return a.text < b.text; });
  for (const Token& token : tokens_) first_bytes_.set(static_cast<std::uint8_t>(token.text[0]));
}

LA_INLINE const AddedTokens::Token* AddedTokens::longest_prefix(std::string_view text) const noexcept {
  if (text.empty() || !first_bytes_[static_cast<std::uint8_t>(text[0])]) return nullptr;
  const Token* longest = nullptr;
  auto low = tokens_.begin(), high = tokens_.end();
  // [low, high) are the tokens that start with the first `n` bytes of the text; the shortest comes first.
  for (std::size_t n = 0; n < text.size() && low != high; ++n) {
    const auto byte = static_cast<std::uint8_t>(text[n]);
    const auto at = [n](const Token& token) {
      return token.text.size() > n ? int{static_cast<std::uint8_t>(token.text[n])} : -1;
    };
    low = std::partition_point(low, high, [&](const Token& token) { return at(token) < byte; });
    high = std::partition_point(low, high, [&](const Token& token) { return at(token) == byte; });
    if (low != high && low->text.size() == n + 1) longest = &*low;
  }
  return longest;
}

LA_INLINE const AddedTokens::Token* AddedTokens::find(std::string_view text) const noexcept {
  const Token* token = longest_prefix(text);
  return token && token->text.size() == text.size() ? token : nullptr;
}

}  // namespace la::inline LA_ABI
