#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../io/checkpoint_files.hpp"
#include "added_tokens.hpp"
#include "bpe.hpp"
#include "prompt_text.hpp"

namespace la::inline LA_ABI {

/// Text to token ids and back. A text is cut at its added tokens (longest match, on the text as it is); what lies
/// between is brought into NFC, split into words and encoded word by word. No BOS or EOS is added.
class Tokenizer {
 public:
  /// error: a file is missing or malformed, or its parts contradict each other; the message names the file and what
  /// was found (see read_tokenizer_files and Bpe)
  static Tokenizer load(const CheckpointFiles& source);

  /// error: (usage) the text is not UTF-8 or of 2 GiB or more
  /// cost: O(n log n)
  std::vector<std::int32_t> encode(const PromptText& text) const;
  std::vector<std::int32_t> encode(std::string_view text) const { return encode(PromptText(text)); }
  /// No added token is looked for.
  std::vector<std::int32_t> encode_literal(std::string_view text) const {
    return encode(PromptText(text, Reading::literal));
  }

  /// The text of all ids together, added tokens included; one U+FFFD for each maximal invalid subpart of the bytes.
  std::string decode(std::span<const std::int32_t> ids) const;
  /// The bytes of one token, which need not be UTF-8; none for an id without a token, as models pad their vocabulary.
  std::string_view token_text(std::int32_t id) const noexcept;

  /// One more than the highest id.
  std::int32_t vocabulary_size() const noexcept { return std::int32_t(tokens_.size()); }
  std::optional<std::int32_t> added_token_id(std::string_view text) const noexcept;
  /// The bound on prompt and answer together.
  std::int32_t model_max_length() const noexcept { return model_max_length_; }

 private:
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::vector<std::string> tokens_;  // bytes by id
  AddedTokens added_;
  Bpe bpe_;
  std::int32_t model_max_length_ = 0;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "tokenizer.cpp"
#endif
