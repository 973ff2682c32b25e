#include "tokenizer_json.hpp"

#include <cstddef>
#include <string_view>

#include "../core/error.hpp"
#include "../io/json.hpp"
#include "pretokenize.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// {"text": id, ...}
inline std::vector<TokenizerFiles::Token> token_map(const JsonValue& map) {
  const simdjson::dom::object object = map.object();
  std::vector<TokenizerFiles::Token> tokens;
  tokens.reserve(object.size());
  for (const auto& [text, value] : object) {
    std::int64_t id = -1;
    const bool valid = !value.get(id) && id >= 0 && id < kTokenIdLimit;
    if (!valid) map.at(text).integer(0, kTokenIdLimit - 1);  // says what is wrong
    tokens.push_back({std::string(text), std::int32_t(id)});
  }
  return tokens;
}

/// [{"id": 151643, "content": "<|endoftext|>", "lstrip": false, ...}, ...]
inline void read_added_token_list(const std::string& path, const JsonValue& list, AddedTokenList& added) {
  for (const JsonValue& token : list.array()) {
    const std::string_view text = token.at("content").string();
    for (const std::string_view option : kAddedTokenOptions) {
      const auto flag = token.find(option);
      if (flag && flag->boolean()) refuse_added_token_option(path, text, option);
    }
    added.add(path, text, std::int32_t(token.at("id").integer(0, kTokenIdLimit - 1)));
  }
}

/// ["a b", ...] or [["a", "b"], ...]
inline std::vector<TokenizerFiles::Merge> merge_list(const std::string& path, const JsonValue& value) {
  simdjson::dom::array list;
  if (value.element().get(list)) value.fail_expected("an array");
  std::vector<TokenizerFiles::Merge> merges;
  merges.reserve(list.size());
  for (const simdjson::dom::element merge : list) {
    std::string_view text, left, right;
    if (!merge.get(text)) {
      merges.push_back(split_merge(path, merges.size(), text));
      continue;
    }
    simdjson::dom::array pair;
    const bool two = !merge.get(pair) && pair.size() == 2 && !pair.at(0).get(left) && !pair.at(1).get(right);
    require(two, path, ": merge ", merges.size(), ": expected \"a b\" or [\"a\", \"b\"], found ",
            simdjson::minify(merge));
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
inline bool is_supported_split(const simdjson::dom::element& value) noexcept {
  simdjson::dom::array steps;
  if (value["pretokenizers"].get(steps) || steps.size() != 2) return false;
  const auto split = steps.at(0), bytes = steps.at(1);
  return json_is_text(split["type"], "Split") && json_is_text(split["pattern"]["Regex"], kSplitPattern) &&
         json_is_text(split["behavior"], "Isolated") && json_is_false(split["invert"]) &&
         json_is_text(bytes["type"], "ByteLevel") && json_is_false(bytes["add_prefix_space"]) &&
         json_is_false(bytes["use_regex"]);
}

/// What decides about ids must be what is implemented. A key that is absent leaves the model's own rule; null, where
/// it means "no rule", does not.
inline void require_supported_tokenizer(const std::string& path, const JsonValue& root) {
  simdjson::dom::element value;
  if (!root.element()["normalizer"].get(value)) {
    require(json_is_text(value["type"], "NFC"), path, ": normalizer: expected NFC, found ",
            simdjson::minify(value));
  }
  if (!root.element()["pre_tokenizer"].get(value)) {
    require(is_supported_split(value), path, ": pre_tokenizer: expected a split by ", kSplitPattern,
            " and ByteLevel, found ", simdjson::minify(value));
  }
  const JsonValue model = root.at("model");
  const auto type = model.find("type");
  if (type && type->string() != "BPE") type->fail_expected("BPE");
  for (const std::string_view option : {"ignore_merges", "byte_fallback"}) {
    const auto flag = model.find(option);
    if (flag && flag->boolean()) flag->fail_expected("false");
  }
  for (const std::string_view option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto affix = model.find(option);
    if (affix && !affix->string().empty()) affix->fail_expected("none");
  }
}

}  // namespace detail

LA_INLINE std::vector<TokenizerFiles::Token> read_token_map(const FileRef& file) {
  const JsonFile json = JsonFile::open(file);
  return detail::token_map(json.root());
}

LA_INLINE TokenizerFiles read_tokenizer_json(const FileRef& file) {
  const std::string& path = file.path;
  const JsonFile json = JsonFile::open(file);
  const JsonValue root = json.root();
  detail::require_supported_tokenizer(path, root);
  TokenizerFiles files;
  files.vocabulary_path = files.merges_path = files.added_path = path;
  files.vocabulary = detail::token_map(root.at("model").at("vocab"));
  files.merges = detail::merge_list(path, root.at("model").at("merges"));
  detail::AddedTokenList added(files.added);
  if (const auto list = root.find("added_tokens")) detail::read_added_token_list(path, *list, added);
  return files;
}

}  // namespace la::inline LA_ABI
