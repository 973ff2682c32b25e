#include <la/text/added_tokens.hpp>

#include "../support.hpp"

TEST_CASE("added tokens: the longest one wins") {
  const la::AddedTokens tokens({{"<1>", 1}, {"<", 2}, {"<10", 3}, {"<100>", 4}, {"é", 5}});
  const auto id = [&](std::string_view text) {
    const auto* token = tokens.longest_prefix(text);
    return token ? token->id : -1;
  };
  CHECK(id("<1>>") == 1);
  CHECK(id("<1") == 2);
  CHECK(id("<100>") == 4);
  CHECK(id("<100") == 3);
  CHECK(id("<2>") == 2);
  CHECK(id("é") == 5);
  CHECK(id("\xc3") == -1);
  CHECK(id("a<1>") == -1);
  CHECK(id("") == -1);
}

TEST_CASE("added tokens: an exact text is found, its prefixes and extensions are not") {
  const la::AddedTokens tokens({{"</c>", 7}, {"</c", 8}});
  REQUIRE(tokens.find("</c>"));
  CHECK(tokens.find("</c>")->id == 7);
  CHECK(tokens.find("</c")->id == 8);
  CHECK(tokens.find("</") == nullptr);
  CHECK(tokens.find("</c>x") == nullptr);
  CHECK(la::AddedTokens().find("x") == nullptr);
}
