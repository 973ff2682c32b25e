#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../core/error.hpp"

namespace la::inline LA_ABI {

/// Ids at or above this are taken for damage; the largest published vocabularies have about 2^18 tokens.
inline constexpr std::int32_t kTokenIdLimit = 1 << 22;

/// What the tokenizer files of a checkpoint say. Its form has been checked, ids included; what the parts say of each
/// other has not.
struct TokenizerFiles {
  struct Token {
    std::string text;
    std::int32_t id = -1;
  };
  struct Merge {
    std::string left, right;
  };

  std::string vocabulary_path, merges_path, added_path;  ///< for messages
  std::vector<Token> vocabulary;                         ///< texts in the byte alphabet
  std::vector<Merge> merges;                             ///< by rank
  std::vector<Token> added;                              ///< plain texts, each once
  std::int32_t model_max_length = 0;                     ///< clamped to 2^31 - 1
};

namespace detail {

inline TokenizerFiles::Merge split_merge(const std::string& path, std::size_t rank, std::string_view text) {
  const std::size_t blank = text.find(' ');
  const bool two =
      blank != text.npos && blank > 0 && blank + 1 < text.size() && text.find(' ', blank + 1) == text.npos;
  require(two, path, ": merge ", rank, " \"", text, "\": expected two tokens with a blank between");
  return {std::string(text.substr(0, blank)), std::string(text.substr(blank + 1))};
}

/// Adds tokens of one file to those of another; saying the same again is allowed.
class AddedTokenList {
 public:
  explicit AddedTokenList(std::vector<TokenizerFiles::Token>& list) : list_(list) {}

  void add(const std::string& path, std::string_view text, std::int32_t id) {
    require(!text.empty(), path, ": added token ", id, ": expected a text, found none");
    const auto [known, is_new] = ids_.emplace(text, id);
    require(known->second == id, path, ": added token \"", text, "\": expected id ", known->second,
            " as before, found ", id);
    if (is_new) list_.push_back({std::string(text), id});
  }

 private:
  std::vector<TokenizerFiles::Token>& list_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

/// The options of an added token, each of which would need other matching rules.
inline constexpr std::array<std::string_view, 4> kAddedTokenOptions{"lstrip", "rstrip", "normalized",
                                                                    "single_word"};

inline void refuse_added_token_option(const std::string& path, std::string_view text,
                                      std::string_view option) {
  fail(path, ": added token \"", text, "\": expected \"", option, "\" to be false");
}

}  // namespace detail

}  // namespace la::inline LA_ABI
