#include "tokenizer_config.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../io/json.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// A JSON file read on demand, not as a whole: the DOM parser refuses a file with 10^30 written out as an integer.
class TokenizerConfig {
 public:
  explicit TokenizerConfig(const FileRef& file) : path_(file.path) {
    text_ = read_json_text(file);
    check(parser_.iterate(text_).get(document_), "the file", "JSON");
  }

  const std::string& path() const noexcept { return path_; }
  simdjson::simdjson_result<simdjson::ondemand::value> operator[](std::string_view key) {
    return document_[key];
  }

  /// error: unless `error` is success, that `where` is not what was `expected`
  void check(simdjson::error_code error, const std::string& where, std::string_view expected) const {
    require(!error, path_, ": ", where, ": expected ", expected, ": ", simdjson::error_message(error));
  }

 private:
  std::string path_;
  simdjson::padded_string text_;
  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
};

inline std::int32_t token_id_of_key(const std::string& path, std::string_view key) {
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  require(error == std::errc{} && end == key.data() + key.size(), path,
          ": added_tokens_decoder: expected an id as key, found \"", key, "\"");
  require(id >= 0 && id < kTokenIdLimit, path, ": added_tokens_decoder: expected an id from 0 to ",
          kTokenIdLimit - 1, ", found ", id);
  return std::int32_t(id);
}

/// {"content": "<|endoftext|>", "lstrip": false, ...}
inline std::string_view added_token_content(const TokenizerConfig& config, simdjson::ondemand::object token,
                                            const std::string& where) {
  std::string_view text;
  config.check(token["content"].get(text), where + ": content", "a string");
  for (const std::string_view option : kAddedTokenOptions) {
    bool set = false;
    const auto error = token[option].get(set);
    if (error == simdjson::NO_SUCH_FIELD) continue;
    config.check(error, where + ": " + std::string(option), "a boolean");
    if (set) refuse_added_token_option(config.path(), text, option);
  }
  return text;
}

}  // namespace detail

LA_INLINE std::int32_t read_model_max_length(const FileRef& file) {
  detail::TokenizerConfig config(file);
  double value = 0;
  config.check(config["model_max_length"].get(value), "model_max_length", "a number");
  require(value >= 1 && value == std::floor(value), file.path,
          ": model_max_length: expected a whole number >= 1, found ", value);
  return std::int32_t(std::min(value, double(std::numeric_limits<std::int32_t>::max())));
}

LA_INLINE void read_added_tokens_decoder(const FileRef& file, detail::AddedTokenList& added) {
  const std::string& path = file.path;
  detail::TokenizerConfig config(file);
  auto value = config["added_tokens_decoder"];
  if (value.error() == simdjson::NO_SUCH_FIELD) return;
  simdjson::ondemand::object tokens;
  config.check(value.get(tokens), "added_tokens_decoder", "an object");
  for (auto field : tokens) {
    std::string_view key;
    config.check(field.unescaped_key().get(key), "added_tokens_decoder", "an id as key");
    const std::string where = "added_tokens_decoder: " + std::string(key);
    simdjson::ondemand::object token;
    config.check(field.value().get(token), where, "an object");
    added.add(path, detail::added_token_content(config, token, where), detail::token_id_of_key(path, key));
  }
}

}  // namespace la::inline LA_ABI
