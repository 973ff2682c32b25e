#include "../support.hpp"

#include <simdjson.h>

#include <charconv>
#include <limits>

#include "../../la/io/json_write.hpp"

TEST_CASE("json_write: strings are quoted and control characters escaped") {
  CHECK(la::json_quote("") == R"("")");
  CHECK(la::json_quote("red car") == R"("red car")");
  CHECK(la::json_quote("a\"b\\c/") == R"("a\"b\\c/")");
  CHECK(la::json_quote("\n\r\t\x01\x1f\x7f") == "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
  CHECK(la::json_quote(std::string_view("\0", 1)) == "\"\\u0000\"");
  CHECK(la::json_quote("h\u00e9 \u4e2d \U0001f600") == "\"h\u00e9 \u4e2d \U0001f600\"");
}

TEST_CASE("json_write: bytes that are not UTF-8 become U+FFFD") {
  CHECK(la::json_quote("a\xff"
                       "b") == "\"a\uFFFDb\"");
  CHECK(la::json_quote("\xe4\xb8") == "\"\uFFFD\uFFFD\"");            // cut short
  CHECK(la::json_quote("\xc0\x80") == "\"\uFFFD\uFFFD\"");            // overlong
  CHECK(la::json_quote("\xed\xa0\x80") == "\"\uFFFD\uFFFD\uFFFD\"");  // surrogate
  CHECK(la::json_quote("\xe4\xb8\"") == "\"\uFFFD\uFFFD\\\"\"");
}

TEST_CASE("json_write: every byte, and every pair with a quote, is read back by a JSON parser") {
  simdjson::dom::parser parser;
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string text{char(byte), '"', char(byte)};
    std::string_view read;
    REQUIRE(parser.parse(la::json_quote(text)).get(read) == simdjson::SUCCESS);
    if (byte < 128) CHECK(read == text);
    if (byte >= 128) CHECK(read == "\uFFFD\"\uFFFD");
  }
}

TEST_CASE("json_write: numbers are the shortest that read back") {
  CHECK(la::json_number(0.1) == "0.1");
  CHECK(la::json_number(0.1f) == "0.1");
  CHECK(la::json_number(double(0.1f)) == "0.10000000149011612");
  CHECK(la::json_number(5.0) == "5");
  CHECK(la::json_number(-0.0) == "-0");
  CHECK(la::json_number(1.0 / 3) == "0.3333333333333333");
  for (const double value :
       {std::numeric_limits<double>::max(), -std::numeric_limits<double>::min(), 5e-324, 1e22}) {
    const std::string text = la::json_number(value);
    double read = 0;
    std::from_chars(text.data(), text.data() + text.size(), read);
    CHECK(read == value);
  }
}

TEST_CASE("json_write: numbers that JSON lacks are null") {
  CHECK(la::json_number(std::numeric_limits<double>::infinity()) == "null");
  CHECK(la::json_number(-std::numeric_limits<float>::infinity()) == "null");
  CHECK(la::json_number(std::numeric_limits<double>::quiet_NaN()) == "null");
}
