#include <la/text/pretokenize.hpp>
#include <la/text/unicode.hpp>

#include <vector>

#include "../support.hpp"

namespace {

std::vector<std::string> words(const std::string& text) {
  const std::u32string characters = la::to_code_points(text);
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < characters.size();) {
    const std::size_t end = la::word_end(characters, begin);
    REQUIRE(end > begin);
    out.emplace_back();
    for (; begin < end; ++begin) la::append_utf8(out.back(), characters[begin]);
  }
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("pretokenize: contractions in any case, the long s included") {
  CHECK(words("don't I'LL we've 'Re") == Words{"don", "'t", " I", "'LL", " we", "'ve", " '", "Re"});
  CHECK(words("'REx'sx'ſx'lx'") == Words{"'RE", "x", "'s", "x", "'ſ", "x", "'lx", "'"});
  CHECK(words("'v'r'l'") == Words{"'v", "'r", "'l", "'"});
}

TEST_CASE("pretokenize: letters take one character before them, digits stand alone") {
  CHECK(words("hello world") == Words{"hello", " world"});
  CHECK(words("_a.b\tc!!d") == Words{"_a", ".b", "\tc", "!!", "d"});
  CHECK(words("a1 23") == Words{"a", "1", " ", "2", "3"});
  CHECK(words("日本語、é\u0301x") == Words{"日本語", "、é", "\u0301x"});
}

TEST_CASE("pretokenize: marks take one blank before and line breaks after") {
  CHECK(words("a !?\r\n\nb") == Words{"a", " !?\r\n\n", "b"});
  CHECK(words("a  !?") == Words{"a", " ", " !?"});
  CHECK(words("\t!") == Words{"\t", "!"});
  CHECK(words("\x1c\xef\xbb\xbf") == Words{"\x1c\xef\xbb\xbf"});
}

TEST_CASE("pretokenize: white space") {
  CHECK(words("   ") == Words{"   "});
  CHECK(words("   a") == Words{"  ", " a"});
  CHECK(words("   1") == Words{"  ", " ", "1"});
  CHECK(words(" \n \n  a") == Words{" \n \n", " ", " a"});
  CHECK(words(" \n\t") == Words{" \n", "\t"});
  CHECK(words("\na") == Words{"\n", "a"});
  CHECK(words("\xc2\x85\xc2\x85"
              "a") == Words{"\xc2\x85",
                            "\xc2\x85"
                            "a"});
  CHECK(words("") == Words{});
}
