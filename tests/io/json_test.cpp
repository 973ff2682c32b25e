#include "../support.hpp"

#include <functional>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/io/json.hpp"

namespace {

/// Parses `text` and gives the root to `read`; the message of the error, without the file, when there is one.
std::string error_of(const std::string& text, const std::function<void(la::JsonValue)>& read) {
  la::test::TemporaryDirectory directory;
  const std::string path = directory / "file.json";
  std::ofstream(path, std::ios::binary) << text;
  try {
    const auto file = la::JsonFile::open(path);
    read(file.root());
  } catch (const la::Error& error) {
    const std::string message = error.what();
    REQUIRE_MESSAGE(message.rfind(path + ": ", 0) == 0, message);
    return message.substr(path.size() + 2);
  }
  return "";
}

const auto kNothing = [](const la::JsonValue&) {};

}  // namespace

TEST_CASE("json: values of every kind") {
  const std::string text =
      R"({"i": -3, "f": 1e6, "whole": 1000000, "t": true, "s": "a\nb", "n": null, "o": {"k": 1}, "a": [1, [2]]})";
  CHECK(error_of(text, [](la::JsonValue root) {
          CHECK(root.at("i").integer(-3, 0) == -3);
          CHECK(root.at("f").number(0, 1e9) == 1e6);
          CHECK(root.at("whole").number(0, 1e9) == 1e6);
          CHECK(root.at("t").boolean());
          CHECK(root.at("s").string() == "a\nb");
          CHECK_FALSE(root.find("n"));
          CHECK_FALSE(root.find("gone"));
          CHECK(root.find("o")->at("k").integer(0, 9) == 1);
          CHECK(root.at("a").array()[1].array()[0].integer(0, 9) == 2);
          CHECK(root.at("o").object().size() == 1);
        }) == "");
}

TEST_CASE("json: an error names the path of keys, what was expected and what was found") {
  using la::JsonValue;
  struct Case {
    std::string text;
    std::function<void(JsonValue)> read;
    std::string message;
  };
  const auto integer = [](JsonValue root) { root.at("a").at("b").integer(1, 9); };
  const auto number = [](JsonValue root) { root.at("x").number(0, 1); };
  const std::vector<Case> cases{
      {"[]", integer, "expected an object, found an array"},
      {"{}", integer, "a is missing"},
      {R"({"a": 1})", integer, "a: expected an object, found 1"},
      {R"({"a": {}})", integer, "a.b is missing"},
      {R"({"a": {"b": 0}})", integer, "a.b: expected an integer in [1, 9], found 0"},
      {R"({"a": {"b": 10}})", integer, "a.b: expected an integer in [1, 9], found 10"},
      {R"({"a": {"b": 2.0}})", integer, "a.b: expected an integer in [1, 9], found 2.0"},
      {R"({"a": {"b": 18446744073709551615}})", integer,
       "a.b: expected an integer in [1, 9], found 18446744073709551615"},
      {R"({"a": {"b": "2\n"}})", integer, R"(a.b: expected an integer in [1, 9], found "2\n")"},
      {R"({"a": {"b": null}})", integer, "a.b: expected an integer in [1, 9], found null"},
      {R"({"a": {"b": 1, "b": 1}})", integer, "a.b is there twice"},
      {R"({"x": 1.5})", number, "x: expected a number in [0, 1], found 1.5"},
      {R"({"x": true})", number, "x: expected a number in [0, 1], found true"},
      {R"({"x": 1})", [](JsonValue root) { root.at("x").boolean(); }, "x: expected true or false, found 1"},
      {R"({"x": 1})", [](JsonValue root) { root.at("x").string(); }, "x: expected a string, found 1"},
      {R"({"x": {}})", [](JsonValue root) { root.at("x").array(); }, "x: expected an array, found an object"},
      {R"({"x": [1, false]})", [](JsonValue root) { root.at("x").array()[1].integer(0, 1); },
       "x[1]: expected an integer in [0, 1], found false"},
      {R"({"x": ")" + std::string(100, 'y') + R"("})", [](JsonValue root) { root.at("x").boolean(); },
       "x: expected true or false, found \"" + std::string(40, 'y') + "\"..."},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(error_of(c.text, c.read) == c.message);
  }
}

TEST_CASE("json: a file that is not JSON is named") {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("{}}"), std::string(R"({"a": nan})"),
        std::string("{\"a\": \"\xff\"}"), std::string(100'000, '[')}) {
    CAPTURE(text.substr(0, 20));
    CHECK(error_of(text, kNothing).rfind("not valid JSON: ", 0) == 0);
  }
  CHECK_THROWS_WITH_AS(la::JsonFile::open("no/such.json"), "no/such.json: No such file or directory",
                       la::Error);
}

TEST_CASE("json: nesting is limited") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(error_of(nested(60), kNothing) == "");
  CHECK(error_of(nested(65), kNothing) != "");
}

TEST_CASE("json: values stay valid when their file is moved") {
  la::test::TemporaryDirectory directory;
  std::ofstream(directory / "file.json") << R"({"k": "value"})";
  auto file = la::JsonFile::open(directory / "file.json");
  const la::JsonValue value = file.root().at("k");
  const la::JsonFile moved = std::move(file);
  CHECK(value.string() == "value");
  CHECK(moved.root().at("k").where() == directory / "file.json" + ": k");
}

TEST_CASE("json: a file larger than the limit is refused before it is read") {
  la::test::TemporaryDirectory directory;
  std::ofstream(directory / "large.json") << "{";
  std::filesystem::resize_file(directory / "large.json", (std::uintmax_t{256} << 20) + 1);  // sparse
  CHECK_THROWS_WITH_AS(
      la::JsonFile::open(directory / "large.json"),
      (directory / "large.json" + ": expected a JSON file of at most 268435456 bytes, found 268435457")
          .c_str(),
      la::Error);
}
