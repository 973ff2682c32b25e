#include "tokenizer_json.hpp"

#include <simdjson.h>

#include <cstddef>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/mapped_file.hpp"
#include "pretokenize.hpp"

namespace la {

namespace detail {

namespace dom = simdjson::dom;

/// A parsed JSON file; values stay valid as long as it does.
class TokenizerJson {
 public:
  explicit TokenizerJson(std::string path) : path_(std::move(path)) {
    const MappedFile file = MappedFile::open(path_);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    const auto error = parser_.parse(simdjson::padded_string(text)).get(root_);
    require(!error, path_, ": malformed JSON: ", simdjson::error_message(error));
  }

  const std::string& path() const noexcept { return path_; }
  dom::element root() const noexcept { return root_; }

  /// `value` as T; `where` names it and `type` names T.
  template <class T>
  T as(const simdjson::simdjson_result<dom::element>& value, const std::string& where,
       std::string_view type) const {
    T result{};
    const auto error = value.get(result);
    require(!error, path_, ": ", where, ": expected ", type, ": ", simdjson::error_message(error));
    return result;
  }

 private:
  std::string path_;
  dom::parser parser_;
  dom::element root_;
};

/// {"text": id, ...}
inline std::vector<TokenizerFiles::Token> token_map(const TokenizerJson& json,
                                                    const simdjson::simdjson_result<dom::element>& value,
                                                    const std::string& where) {
  const auto object = json.as<dom::object>(value, where, "an object");
  std::vector<TokenizerFiles::Token> tokens;
  tokens.reserve(object.size());
  for (const auto& [text, id] : object) {
    std::int64_t number = 0;
    if (id.get(number)) {
      fail(json.path(), ": ", where, ": token \"", text, "\": expected an integer, found ", id.type());
    }
    tokens.push_back({std::string(text), checked_token_id(json.path(), text, number)});
  }
  return tokens;
}

inline void read_added_token_list(const TokenizerJson& json, AddedTokenList& added) {
  const auto value = json.root()["added_tokens"];
  if (value.error() == simdjson::NO_SUCH_FIELD) return;
  for (const dom::element token : json.as<dom::array>(value, "added_tokens", "an array")) {
    const auto text = json.as<std::string_view>(token["content"], "added_tokens: content", "a string");
    const auto id = json.as<std::int64_t>(token["id"], "added_tokens: id", "an integer");
    for (const std::string_view option : kAddedTokenOptions) {
      const auto flag = token[option];
      if (flag.error() == simdjson::NO_SUCH_FIELD) continue;
      if (json.as<bool>(flag, "added_tokens: " + std::string(option), "a boolean")) {
        refuse_added_token_option(json.path(), text, option);
      }
    }
    added.add(json.path(), text, checked_token_id(json.path(), text, id));
  }
}

/// ["a b", ...] or [["a", "b"], ...]
inline std::vector<TokenizerFiles::Merge> read_merges_json(const TokenizerJson& json) {
  const auto list = json.as<dom::array>(json.root()["model"]["merges"], "model.merges", "an array");
  std::vector<TokenizerFiles::Merge> merges;
  merges.reserve(list.size());
  for (const dom::element merge : list) {
    std::string_view text, left, right;
    if (!merge.get(text)) {
      merges.push_back(split_merge(json.path(), merges.size(), text));
      continue;
    }
    dom::array pair;
    const bool two = !merge.get(pair) && pair.size() == 2 && !pair.at(0).get(left) && !pair.at(1).get(right);
    require(two, json.path(), ": model.merges: merge ", merges.size(),
            ": expected \"a b\" or [\"a\", \"b\"]");
    merges.push_back({std::string(left), std::string(right)});
  }
  return merges;
}

template <class Value>
bool json_is_false(const Value& value) noexcept {
  bool set = true;
  return !value.get(set) && !set;
}

template <class Value>
bool json_is_text(const Value& value, std::string_view text) noexcept {
  std::string_view found;
  return !value.get(found) && found == text;
}

/// A split by kSplitPattern, then bytes without rules of their own.
inline bool is_supported_split(const dom::element& value) noexcept {
  dom::array steps;
  if (value["pretokenizers"].get(steps) || steps.size() != 2) return false;
  const auto split = steps.at(0), bytes = steps.at(1);
  return json_is_text(split["type"], "Split") && json_is_text(split["pattern"]["Regex"], kSplitPattern) &&
         json_is_text(split["behavior"], "Isolated") && json_is_false(split["invert"]) &&
         json_is_text(bytes["type"], "ByteLevel") && json_is_false(bytes["add_prefix_space"]) &&
         json_is_false(bytes["use_regex"]);
}

/// What decides about ids must be what is implemented; a key that is absent leaves the model's own rule.
inline void require_supported_tokenizer(const TokenizerJson& json) {
  dom::element value;
  if (!json.root()["normalizer"].get(value)) {
    require(json_is_text(value["type"], "NFC"), json.path(), ": normalizer: expected NFC, found ",
            simdjson::minify(value));
  }
  if (!json.root()["pre_tokenizer"].get(value)) {
    require(is_supported_split(value), json.path(), ": pre_tokenizer: expected a split by ", kSplitPattern,
            " and ByteLevel, found ", simdjson::minify(value));
  }
  const auto model = json.root()["model"];
  if (!model["type"].get(value)) {
    require(json_is_text(value, "BPE"), json.path(), ": model.type: expected BPE, found ",
            simdjson::minify(value));
  }
  for (const std::string_view option : {"ignore_merges", "byte_fallback"}) {
    require(model[option].get(value) || json_is_false(value), json.path(), ": model.", option,
            ": expected false");
  }
  for (const std::string_view option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    require(model[option].get(value) || value.is_null() || json_is_text(value, ""), json.path(), ": model.",
            option, ": expected none");
  }
}

}  // namespace detail

LA_INLINE std::vector<TokenizerFiles::Token> read_token_map(const std::string& path) {
  const detail::TokenizerJson json(path);
  return detail::token_map(json, json.root(), "the file");
}

LA_INLINE TokenizerFiles read_tokenizer_json(const std::string& path) {
  const detail::TokenizerJson json(path);
  detail::require_supported_tokenizer(json);
  TokenizerFiles files;
  files.vocabulary_path = files.merges_path = files.added_path = path;
  files.vocabulary = detail::token_map(json, json.root()["model"]["vocab"], "model.vocab");
  files.merges = detail::read_merges_json(json);
  detail::AddedTokenList added(files.added);
  detail::read_added_token_list(json, added);
  return files;
}

}  // namespace la
