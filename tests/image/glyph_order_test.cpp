#include <la/image/glyph_order.hpp>

#include <string>

#include "../support.hpp"

namespace {

std::u32string order(std::string_view utf8) {
  const std::vector<char32_t> glyphs = la::glyph_order(utf8);
  return {glyphs.begin(), glyphs.end()};
}

}  // namespace

TEST_CASE("glyph order: text from the left stays, accents are composed") {
  CHECK(order("red 12") == U"red 12");
  CHECK(order("e\u0301t\u00e9") == U"\u00e9t\u00e9");
  CHECK(order("\u7ea2\u8272") == U"\u7ea2\u8272");
  CHECK(order("").empty());
}

TEST_CASE("glyph order: bytes that are no UTF-8 and controls are replaced, one each") {
  CHECK(order("a\xff\xc3") == U"a\ufffd\ufffd");
  CHECK(order("a\nb") == U"a\ufffdb");
  CHECK(order("\xed\xa0\x80").find(char32_t(0xd800)) == std::u32string::npos);
}

TEST_CASE("glyph order: Hebrew is turned around, its brackets mirrored, a number in it kept") {
  CHECK(order("\u05d0\u05d1") == U"\u05d1\u05d0");
  CHECK(order("\u05d0 (\u05d1) 12") == U"12 (\u05d1) \u05d0");
  CHECK(order("\u05d0\u05d1 0.87") == U"0.87 \u05d1\u05d0");
}

TEST_CASE("glyph order: a word from the right inside text from the left") {
  CHECK(order("a \u05d0\u05d1 b") == U"a \u05d1\u05d0 b");
  CHECK(order("a \u05d0 \u05d1 b") == U"a \u05d1 \u05d0 b");
}

TEST_CASE("glyph order: Arabic letters take their joined forms") {
  // beh three times: final, medial, initial from the left.
  CHECK(order("\u0628\u0628\u0628") == U"\ufe90\ufe92\ufe91");
  CHECK(order("\u0628") == U"\ufe8f");
  // Nothing joins behind a dal; the next letter stands alone.
  CHECK(order("\u0628\u062f\u0628") == U"\ufe8f\ufeaa\ufe91");
  // Yeh with hamza is one letter, written as one or as two.
  CHECK(order("\u0628\u0626") == U"\ufe8a\ufe91");
  CHECK(order("\u0628\u064a\u0654") == U"\ufe8a\ufe91");
}

TEST_CASE("glyph order: lam and alef are one sign, joined before it or not") {
  CHECK(order("\u0644\u0627") == U"\ufefb");
  CHECK(order("\u0633\u0644\u0627\u0645") == U"\ufee1\ufefc\ufeb3");
  CHECK(order("\u0644\u0622") == U"\ufef5");
}

TEST_CASE("glyph order: marks do not part letters, and come before theirs") {
  CHECK(order("\u0628\u064e\u0628") == U"\ufe90\u064e\ufe91");
}
