#include <la/text/unicode.hpp>

#include <la/core/error.hpp>

#include "../support.hpp"

namespace {

std::string escaped_nfc(std::u32string text) {
  std::string out;
  for (const char32_t code : la::nfc(std::move(text))) la::append_utf8(out, code);
  return out;
}

}  // namespace

TEST_CASE("unicode: one replacement character for each maximal invalid subpart") {
  // The example of the Unicode Standard, section 3.9, table 3-8, and its neighbours.
  CHECK(la::to_valid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64") == "a���b�c��d");
  CHECK(la::to_valid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == "��������A");
  CHECK(la::to_valid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == "��������A");
  CHECK(la::to_valid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") == "�����A��B");
  CHECK(la::to_valid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "����A");
  CHECK(la::to_valid_utf8("\xF0\x9F\x98") == "�");
  CHECK(la::to_valid_utf8("") == "");
}

TEST_CASE("unicode: valid text passes unchanged, the ends of every length included") {
  using namespace std::string_literals;
  const std::string ends = "\0\x7F\xC2\x80\xDF\xBF"s + "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF" +
                           "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
  CHECK(la::to_valid_utf8(ends) == ends);
  const std::u32string codes = la::to_code_points(ends);
  CHECK(codes == std::u32string(U"\0\x7f\x80\x7ff\x800\xd7ff\xe000\xffff\U00010000\U0010ffff", 10));
  std::string back;
  for (const char32_t code : codes) la::append_utf8(back, code);
  CHECK(back == ends);
}

TEST_CASE("unicode: invalid text is refused with its byte offset") {
  CHECK_NOTHROW(la::require_utf8("日本", "phrase"));
  CHECK_THROWS_WITH_AS(la::require_utf8("é\xff!", "phrase"), "phrase: not valid UTF-8 at byte offset 2 of 4",
                       la::Error);
  CHECK_THROWS_WITH_AS(la::require_utf8("ab\xe6\x97", "phrase"),
                       "phrase: not valid UTF-8 at byte offset 2 of 4", la::Error);
}

TEST_CASE("unicode: NFC composes, reorders and keeps what is excluded") {
  CHECK(escaped_nfc(U"e\u0301") == "é");
  CHECK(escaped_nfc(U"q\u0307\u0323") == escaped_nfc(U"q\u0323\u0307"));
  CHECK(escaped_nfc(U"o\u0302\u0323") == "ộ");
  CHECK(escaped_nfc(U"\u1100\u1161\u11a8") == "각");
  CHECK(escaped_nfc(U"\u212b\u2126") == "ÅΩ");      // singletons
  CHECK(escaped_nfc(U"\u0958") == "\u0915\u093c");  // excluded from composition
  CHECK(escaped_nfc(U"ﬁ②") == "ﬁ②");                // compatibility forms stay
  CHECK(escaped_nfc(U"\u0344") == "\u0308\u0301");
  CHECK(escaped_nfc(U"") == "");
}

TEST_CASE("unicode: a long run of combining marks is normalised in time") {
  std::u32string text = U"a";
  for (int i = 0; i < 200000; ++i) text += i % 2 ? U'\u0301' : U'\u0323';
  const std::u32string normal = la::nfc(text);
  CHECK(normal.size() == text.size() - 1);  // a + the first U+0323
  CHECK(normal[0] == U'ạ');
  CHECK(normal[1] == U'\u0323');
  CHECK(normal.back() == U'\u0301');
}

TEST_CASE("unicode: classes of the split pattern") {
  using enum la::CharacterClass;
  for (const char32_t code : std::u32string(U"aÉßʰ漢ªカ\u0e33"))
    CHECK_MESSAGE(la::character_class(code) == letter, std::uint32_t(code));
  for (const char32_t code : std::u32string(U"0٣½Ⅷ²①"))
    CHECK_MESSAGE(la::character_class(code) == number, std::uint32_t(code));
  for (const char32_t code :
       std::u32string(U" \t\n\v\f\r\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000")) {
    CHECK_MESSAGE(la::character_class(code) == space, std::uint32_t(code));
  }
  for (const char32_t code : std::u32string(U"!_$\x1c\x1f\u200b\ufeff\u180e\u0301😀")) {
    CHECK_MESSAGE(la::character_class(code) == other, std::uint32_t(code));
  }
}
