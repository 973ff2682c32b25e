#include "json.hpp"

#include <cstddef>
#include <new>
#include <utility>

#include "../core/error.hpp"
#include "../core/git_lfs.hpp"
#include "../core/input_file.hpp"
#include "json_write.hpp"

namespace la::inline LA_ABI {

namespace detail {

inline constexpr std::size_t kMaxJsonBytes = std::size_t{256} << 20;
inline constexpr std::size_t kMaxJsonDepth = 64;

/// A value as an error message shows it: short, on one line.
inline std::string describe_json(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::STRING: {
      constexpr std::size_t kShown = 40;
      const std::string_view text = value.get_string().value_unsafe();
      return json_quote(text.substr(0, kShown)) + (text.size() > kShown ? "..." : "");
    }
    default:
      return simdjson::minify(value);
  }
}

}  // namespace detail

LA_INLINE simdjson::padded_string read_json_text(const FileRef& ref) {
  const std::string& path = ref.path;
  const InputFile file = InputFile::open(ref);
  require(file.size() <= detail::kMaxJsonBytes, path, ": expected a JSON file of at most ",
          detail::kMaxJsonBytes, " bytes, found ", file.size());
  simdjson::padded_string text(file.size());
  if (!text.data()) throw std::bad_alloc();  // simdjson itself goes on without memory
  file.read(text.data());
  require(!is_git_lfs_pointer({text.data(), text.size()}), path, ": expected JSON, found ", kGitLfsPointer);
  return text;
}

LA_INLINE void JsonValue::fail_expected(const std::string& expected) const {
  fail(where(), ": expected ", expected, ", found ", detail::describe_json(element_));
}

LA_INLINE JsonValue JsonValue::child(const std::string& step, simdjson::dom::element element) const {
  return {file_, path_ + step, element};
}

LA_INLINE std::optional<JsonValue> JsonValue::member(std::string_view key) const {
  std::optional<JsonValue> found;
  for (const auto& [name, value] : object()) {
    if (name != key) continue;
    if (found) fail(found->where(), " is there twice");
    found = child((path_.empty() ? "" : ".") + std::string(key), value);
  }
  return found;
}

LA_INLINE JsonValue JsonValue::at(std::string_view key) const {
  const std::optional<JsonValue> found = member(key);
  if (!found) fail(file_, ": ", path_, path_.empty() ? "" : ".", key, " is missing");
  return *found;
}

LA_INLINE std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  std::optional<JsonValue> found = member(key);
  if (found && found->element_.is_null()) found.reset();
  return found;
}

LA_INLINE i64 JsonValue::integer(i64 min, i64 max) const {
  i64 value = 0;
  if (element_.get(value) != simdjson::SUCCESS || value < min || value > max) {
    fail_expected(detail::concat("an integer in [", min, ", ", max, "]"));
  }
  return value;
}

LA_INLINE double JsonValue::number(double min, double max) const {
  double value = 0;  // simdjson converts integers
  if (element_.get(value) != simdjson::SUCCESS || !(value >= min && value <= max)) {
    fail_expected(detail::concat("a number in [", min, ", ", max, "]"));
  }
  return value;
}

LA_INLINE bool JsonValue::boolean() const {
  bool value = false;
  if (element_.get(value) != simdjson::SUCCESS) fail_expected("true or false");
  return value;
}

LA_INLINE std::string_view JsonValue::string() const {
  std::string_view value;
  if (element_.get(value) != simdjson::SUCCESS) fail_expected("a string");
  return value;
}

LA_INLINE std::vector<JsonValue> JsonValue::array() const {
  simdjson::dom::array array;
  if (element_.get(array) != simdjson::SUCCESS) fail_expected("an array");
  std::vector<JsonValue> values;
  for (const simdjson::dom::element value : array) {
    values.push_back(child(detail::concat("[", values.size(), "]"), value));
  }
  return values;
}

LA_INLINE simdjson::dom::object JsonValue::object() const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) fail_expected("an object");
  return object;
}

LA_INLINE JsonFile JsonFile::open(const FileRef& ref) {
  const std::string& path = ref.path;
  const simdjson::padded_string text = read_json_text(ref);
  JsonFile json;
  json.path_ = path;
  json.parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::error_code error = json.parser_->allocate(text.size(), detail::kMaxJsonDepth);
  if (!error) error = json.parser_->parse(text).error();
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  require(!error, path, ": not valid JSON: ", simdjson::error_message(error));
  return json;
}

}  // namespace la::inline LA_ABI
