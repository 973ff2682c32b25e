#pragma once

#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/inline.hpp"
#include "../core/input_file.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

/// A value of a JsonFile that knows the way to it: every error names the file, the path of keys, what was expected
/// and what was found. Valid as long as its JsonFile.
class JsonValue {
 public:
  JsonValue(std::string file, std::string path, simdjson::dom::element element)
      : file_(std::move(file)), path_(std::move(path)), element_(element) {}

  /// "DIR/config.json: text_config.hidden_size"; the root is the file alone.
  std::string where() const { return path_.empty() ? file_ : file_ + ": " + path_; }
  /// For what is too large to be read value by value.
  simdjson::dom::element element() const noexcept { return element_; }

  /// The member of this name.
  /// error: this is no object, the key is missing or there twice
  JsonValue at(std::string_view key) const;
  /// The same, or nothing when the key is missing or its value is null.
  std::optional<JsonValue> find(std::string_view key) const;

  /// An integer in [min, max], written as one: 2048.0 is an error.
  i64 integer(i64 min, i64 max) const;
  /// A number in [min, max], written 10000, 10000.0 or 1e4.
  double number(double min, double max) const;
  bool boolean() const;
  std::string_view string() const;
  std::vector<JsonValue> array() const;
  simdjson::dom::object object() const;

  /// Throws "FILE: a.b: expected EXPECTED, found THIS".
  [[noreturn]] void fail_expected(const std::string& expected) const;

 private:
  JsonValue child(const std::string& step, simdjson::dom::element element) const;
  std::optional<JsonValue> member(std::string_view key) const;

  std::string file_, path_;
  simdjson::dom::element element_;
};

/// The text of a JSON file, not parsed yet.
/// error: the file cannot be read, or is larger than 256 MiB
simdjson::padded_string read_json_text(const FileRef& ref);

/// A parsed JSON file.
class JsonFile {
 public:
  /// error: the file is missing, larger than 256 MiB, not JSON, or nested more than 64 deep
  static JsonFile open(const FileRef& ref);

  JsonValue root() const { return {path_, "", parser_->doc.root()}; }

 private:
  std::string path_;
  std::unique_ptr<simdjson::dom::parser> parser_;  // values point into it, so it must not move
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "json.cpp"
#endif
