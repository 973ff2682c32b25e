#include "tokenizer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "../core/error.hpp"
#include "pretokenize.hpp"
#include "read_tokenizer_files.hpp"
#include "unicode.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// The bytes of every token by id. A vocabulary may hold its added tokens too, under the same ids.
inline std::vector<std::string> token_table(const TokenizerFiles& files) {
  std::int32_t last = -1;
  for (const auto& token : files.vocabulary) last = std::max(last, token.id);
  for (const auto& token : files.added) last = std::max(last, token.id);
  std::vector<std::string> bytes(std::size_t(last) + 1);

  const auto bytes_of = [&](std::int32_t id) -> std::string& { return bytes[std::size_t(id)]; };
  for (const auto& [text, id] : files.vocabulary) {
    require(!text.empty(), files.vocabulary_path, ": token ", id, ": expected a text, found none");
    require(bytes_of(id).empty(), files.vocabulary_path, ": token \"", text, "\": id ", id, " is that of \"",
            bytes_of(id), "\" already");
    bytes_of(id) = from_byte_alphabet(text);
  }
  for (const auto& [text, id] : files.added) {
    require(bytes_of(id).empty() || bytes_of(id) == text, files.added_path, ": added token \"", text,
            "\": id ", id, " is that of \"", bytes_of(id), "\" already");
    bytes_of(id) = text;
  }
  return bytes;
}

inline AddedTokens added_token_set(const TokenizerFiles& files) {
  std::vector<AddedTokens::Token> tokens;
  tokens.reserve(files.added.size());
  for (const auto& [text, id] : files.added) tokens.push_back({text, id});
  return AddedTokens(std::move(tokens));
}

}  // namespace detail

LA_INLINE Tokenizer Tokenizer::load(const CheckpointFiles& source) {
  const TokenizerFiles files = read_tokenizer_files(source);
  Tokenizer tokenizer;
  tokenizer.tokens_ = detail::token_table(files);
  tokenizer.added_ = detail::added_token_set(files);
  tokenizer.bpe_ = Bpe(files);
  tokenizer.model_max_length_ = files.model_max_length;
  return tokenizer;
}

LA_INLINE std::vector<std::int32_t> Tokenizer::encode(const PromptText& text) const {
  const std::string_view all = text.text();
  if (all.size() > std::size_t(std::numeric_limits<std::int32_t>::max())) {
    fail_usage("text: expected less than 2 GiB, found ", all.size(), " bytes");
  }
  require_utf8(all, "text");

  std::vector<std::int32_t> ids;
  std::size_t plain = 0;  // begin of what has not been encoded
  for (const auto& [begin, end] : text.interpreted()) {
    for (std::size_t at = begin; at < end;) {
      const AddedTokens::Token* token = added_.longest_prefix(all.substr(at, end - at));
      if (!token) {
        ++at;
        continue;
      }
      encode_plain(all.substr(plain, at - plain), ids);
      ids.push_back(token->id);
      at += token->text.size();
      plain = at;
    }
  }
  encode_plain(all.substr(plain), ids);
  return ids;
}

LA_INLINE void Tokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  const std::u32string characters = nfc(to_code_points(text));
  std::string word;
  for (std::size_t begin = 0; begin < characters.size();) {
    const std::size_t end = word_end(characters, begin);
    word.clear();
    for (; begin < end; ++begin) append_utf8(word, characters[begin]);
    bpe_.encode(word, ids);
  }
}

LA_INLINE std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += token_text(id);
  return to_valid_utf8(bytes);
}

LA_INLINE std::string_view Tokenizer::token_text(std::int32_t id) const noexcept {
  return id >= 0 && id < vocabulary_size() ? std::string_view(tokens_[std::size_t(id)]) : std::string_view();
}

LA_INLINE std::optional<std::int32_t> Tokenizer::added_token_id(std::string_view text) const noexcept {
  const AddedTokens::Token* token = added_.find(text);
  return token ? std::optional(token->id) : std::nullopt;
}

}  // namespace la::inline LA_ABI
