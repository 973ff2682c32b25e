#include <la/core/error.hpp>
#include <la/text/tokenizer.hpp>

#include <simdjson.h>

#include "shapes_tokenizer.hpp"

namespace {

using Ids = std::vector<std::int32_t>;
using la::test::ids_of;
using la::test::shapes;

/// The 3B's tokenizer; null, with a message, when it is not there.
const la::Tokenizer* real() {
  const std::string path = la::test::shared("checkpoints/3b-meta");
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: no " << path);
    return nullptr;
  }
  static const la::Tokenizer tokenizer = la::Tokenizer::load(path);
  return &tokenizer;
}

}  // namespace

TEST_CASE("tokenizer: every golden text gives the golden ids") {
  const la::Tokenizer* tokenizer = real();
  if (!tokenizer) return;
  simdjson::dom::parser parser;
  int count = 0;
  for (simdjson::dom::element entry : parser.load(la::test::source("tests/goldens/unit/tokenizer_3b.json"))) {
    const std::string_view text = entry["text"];
    CHECK_MESSAGE(tokenizer->encode(text) == ids_of(entry["ids"]), text);
    ++count;
  }
  CHECK(count == 200);
  CHECK(tokenizer->vocabulary_size() == 152681);
  CHECK(tokenizer->model_max_length() == 16384);
}

TEST_CASE("tokenizer: decoding the goldens' ids gives their text in NFC") {
  const la::Tokenizer* tokenizer = real();
  if (!tokenizer) return;
  simdjson::dom::parser parser;
  for (simdjson::dom::element entry : parser.load(la::test::source("tests/goldens/unit/tokenizer_3b.json"))) {
    const std::string text = tokenizer->decode(ids_of(entry["ids"]));
    CHECK(tokenizer->encode(text) == ids_of(entry["ids"]));
  }
}

TEST_CASE("tokenizer: the released files agree with the config's words") {
  const la::Tokenizer* tokenizer = real();
  if (!tokenizer) return;
  CHECK(tokenizer->token_text(4064) == "None");
  CHECK(tokenizer->added_token_id("</c>") == 152680);
  CHECK(tokenizer->added_token_id("<1000>") == 152677);
  CHECK(tokenizer->encode("<box><0><1001>").size() > 3);  // <1001> is no token
  CHECK(tokenizer->encode("#a") != tokenizer->encode_literal("# a"));
  CHECK(tokenizer->encode("##") == Ids{565});  // a merge that starts with #
}

TEST_CASE("tokenizer: golden answers decode to the golden text") {
  for (const std::string set : {"shapes", "odd"}) {
    const auto tokenizer =
        la::Tokenizer::load(la::test::source(set == "odd" ? "tests/checkpoints/odd" : "data/shapes"));
    simdjson::dom::parser parser;
    int count = 0;
    for (simdjson::dom::element entry :
         parser.load(la::test::source("tests/goldens/" + set + "/cases.json"))) {
      const std::string_view answer = entry["answer"];
      CHECK(tokenizer.decode(ids_of(entry["answer_ids"])) == answer);
      ++count;
    }
    CHECK(count == (set == "odd" ? 26 : 73));
    CHECK(tokenizer.model_max_length() == 2048);
    CHECK(tokenizer.vocabulary_size() == 1569);
  }
}

TEST_CASE("tokenizer: text survives the round trip") {
  for (const std::string text : {"", " ", "plain words", "日本語 · κόσμε", "👩‍👧🏽 and 🇨🇭",
                                 "\r\n\t \xc2\xa0x", "<ref>a</ref><box><1><1000></box>"}) {
    CHECK(shapes().decode(shapes().encode(text)) == text);
    CHECK(shapes().decode(shapes().encode_literal(text)) == text);
  }
  std::string zeros("a\0b", 3);
  CHECK(shapes().decode(shapes().encode(zeros)) == zeros);
}

TEST_CASE("tokenizer: a decomposed text encodes as its composed form, but not across an added token") {
  CHECK(shapes().encode("cafe\u0301") == shapes().encode("café"));
  CHECK(shapes().encode("\u212b") == shapes().encode("Å"));
  const Ids ids = shapes().encode("e<box>\u0301");
  REQUIRE(ids.size() == 4);
  CHECK(ids[1] == 556);
  CHECK(shapes().decode(ids) == "e<box>\u0301");
}

TEST_CASE("tokenizer: added tokens are found in interpreted text only") {
  const std::int32_t box = *shapes().added_token_id("<box>");
  CHECK(shapes().encode("<box>") == Ids{box});
  CHECK(shapes().encode("a<box>b<box>") == Ids{64, box, 65, box});
  const Ids literal = shapes().encode_literal("<box>");
  CHECK(std::find(literal.begin(), literal.end(), box) == literal.end());
  CHECK(shapes().decode(literal) == "<box>");
  CHECK(shapes().encode("<10><100><1000>") == Ids{*shapes().added_token_id("<10>"),
                                                  *shapes().added_token_id("<100>"),
                                                  *shapes().added_token_id("<1000>")});
  CHECK_FALSE(shapes().added_token_id("<1001>").has_value());
  CHECK_FALSE(shapes().added_token_id("").has_value());
}

TEST_CASE("tokenizer: literal ranges change nothing where no added token is") {
  const std::string text = "the big red circle isn't here";
  const Ids whole = shapes().encode(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    la::PromptText parts(text.substr(0, cut));
    parts.append(text.substr(cut), la::Reading::literal);
    CHECK(shapes().encode(parts) == whole);
  }
}

TEST_CASE("tokenizer: an added token that reaches into a literal range is not one") {
  la::PromptText parts("<bo");
  parts.append("x>", la::Reading::literal);
  CHECK(shapes().encode(parts) == shapes().encode_literal("<box>"));
  la::PromptText inside("<box>");
  inside.append("<box>", la::Reading::literal);
  const Ids ids = shapes().encode(inside);
  CHECK(ids.front() == *shapes().added_token_id("<box>"));
  CHECK(shapes().decode(ids) == "<box><box>");
  CHECK(std::count(ids.begin(), ids.end(), ids.front()) == 1);
}

TEST_CASE("tokenizer: invalid UTF-8 is refused with its offset") {
  CHECK_THROWS_WITH_AS(shapes().encode("ab\xff"), "text: not valid UTF-8 at byte offset 2 of 3", la::Error);
  CHECK_THROWS_WITH_AS(shapes().encode_literal("\xed\xa0\x80"), "text: not valid UTF-8 at byte offset 0 of 3",
                       la::Error);
}

TEST_CASE("tokenizer: bytes are decoded together, incomplete ones replaced") {
  const Ids emoji = shapes().encode("😀");
  REQUIRE(emoji.size() == 4);
  CHECK(shapes().decode(emoji) == "😀");
  CHECK(shapes().decode(std::span(emoji).first(3)) == "\ufffd");
  CHECK(shapes().decode(std::span(emoji).subspan(1)) == "\ufffd\ufffd\ufffd");
  CHECK(shapes().token_text(emoji[0]) == "\xf0");
  CHECK(shapes().decode(Ids{-1, 1 << 30, 2}) == "#");
  CHECK(shapes().token_text(-1).empty());
}

TEST_CASE("tokenizer: a word of a megabyte") {
  const std::string text(1 << 20, 'e');
  const Ids ids = shapes().encode(text);
  CHECK(shapes().decode(ids) == text);
  CHECK(shapes().decode(shapes().encode(std::string(1 << 18, '<'))).size() == 1 << 18);
}
