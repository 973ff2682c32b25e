#include <la/core/error.hpp>
#include <la/text/bpe.hpp>
#include <la/text/unicode.hpp>

#include <algorithm>

#include "../support.hpp"

namespace {

/// A vocabulary of the 256 bytes (id = byte) and the merges, whose results get the ids from 256 on.
la::TokenizerFiles files(std::vector<la::TokenizerFiles::Merge> merges) {
  la::TokenizerFiles out;
  out.vocabulary_path = "vocab.json";
  out.merges_path = "merges.txt";
  for (int byte = 0, next = 0x100; byte < 256; ++byte) {
    const bool prints = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    out.vocabulary.push_back({"", byte});
    la::append_utf8(out.vocabulary.back().text, char32_t(prints ? byte : next++));
  }
  for (const auto& merge : merges) {
    const std::string joined = merge.left + merge.right;
    const auto same = [&](const auto& token) { return token.text == joined; };
    if (std::none_of(out.vocabulary.begin(), out.vocabulary.end(), same)) {
      out.vocabulary.push_back({joined, std::int32_t(out.vocabulary.size())});
    }
  }
  out.merges = std::move(merges);
  return out;
}

std::vector<std::int32_t> encode(const la::Bpe& bpe, std::string_view word) {
  std::vector<std::int32_t> ids;
  bpe.encode(word, ids);
  return ids;
}

using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("bpe: the byte alphabet of GPT-2") {
  CHECK(la::from_byte_alphabet("ĠaĊ") == " a\n");
  CHECK(la::from_byte_alphabet("âĢĻ") == "\u2019");
  CHECK(la::from_byte_alphabet("Ā") == std::string(1, '\0'));
  CHECK(la::from_byte_alphabet("Ń") == "\xad");
  CHECK(la::from_byte_alphabet("a b") == "a b");  // a blank is not in it
  CHECK(la::from_byte_alphabet("日") == "日");
}

TEST_CASE("bpe: lowest rank first, then leftmost") {
  const la::Bpe bpe(files({{"b", "c"}, {"a", "b"}, {"a", "a"}, {"a", "bc"}}));
  CHECK(encode(bpe, "abc") == Ids{259});  // b+c before a+b
  CHECK(encode(bpe, "abab") == Ids{257, 257});
  CHECK(encode(bpe, "aaa") == Ids{258, 'a'});   // leftmost
  CHECK(encode(bpe, "aabc") == Ids{258, 256});  // a+a before a+bc
  CHECK(encode(bpe, "") == Ids{});
  CHECK(encode(bpe, std::string("\0\xff", 2)) == Ids{0, 255});
}

TEST_CASE("bpe: two merges may give one token") {
  const la::Bpe bpe(files({{"a", "b"}, {"b", "c"}, {"ab", "c"}, {"a", "bc"}}));
  CHECK(encode(bpe, "abc") == Ids{258});
}

TEST_CASE("bpe: a word of a million bytes is not quadratic") {
  std::vector<la::TokenizerFiles::Merge> merges;
  for (std::string part = "a"; part.size() < 64; part += part) merges.push_back({part, part});
  const la::Bpe bpe(files(merges));
  const Ids ids = encode(bpe, std::string(1 << 20, 'a'));
  CHECK(ids.size() == (1 << 20) / 64);
  CHECK(std::count(ids.begin(), ids.end(), 261) == std::ptrdiff_t(ids.size()));
}

TEST_CASE("bpe: what does not fit together is refused by name") {
  auto unknown = files({{"a", "b"}});
  unknown.merges.push_back({"ab", "zz"});
  CHECK_THROWS_WITH_AS(la::Bpe{unknown}, "merges.txt: merge 1 \"ab zz\": no token \"zz\" in vocab.json",
                       la::Error);
  auto without_result = files({});
  without_result.merges.push_back({"a", "b"});
  CHECK_THROWS_WITH_AS(la::Bpe{without_result}, "merges.txt: merge 0 \"a b\": no token \"ab\" in vocab.json",
                       la::Error);
  CHECK_THROWS_WITH_AS(la::Bpe{files({{"a", "b"}, {"a", "b"}})},
                       "merges.txt: merge 1 \"a b\": occurs before as merge 0", la::Error);
  auto twice = files({});
  twice.vocabulary.push_back({"a", 300});
  CHECK_THROWS_WITH_AS(la::Bpe{twice}, "vocab.json: token \"a\": occurs twice", la::Error);
  auto without_byte = files({});
  without_byte.vocabulary.erase(without_byte.vocabulary.begin() + 32);
  CHECK_THROWS_WITH_AS(la::Bpe{without_byte},
                       "vocab.json: expected a token \"Ġ\" for the byte 32, found none", la::Error);
}
