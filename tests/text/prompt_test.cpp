#include <la/core/error.hpp>
#include <la/text/prompt.hpp>
#include <la/text/task.hpp>

#include <simdjson.h>

#include <algorithm>

#include "shapes_tokenizer.hpp"

namespace {

using Ids = std::vector<std::int32_t>;
using la::i64;
using la::test::ids_of;
using la::test::shapes;

constexpr std::int32_t kImage = 555;  // image_token_index of the two small checkpoints

la::SpecialTokens special() {
  la::SpecialTokens tokens;
  tokens.image = kImage;
  return tokens;
}

la::Prompt prompt(const std::string& question, const std::vector<i64>& rows,
                  la::PromptStyle style = la::PromptStyle::processor) {
  return la::build_prompt(shapes(), special(), la::PromptText(question), rows, style);
}

/// The text of a prompt with each image's rows shown as one token.
std::string user_text(const la::Prompt& prompt) {
  Ids ids;
  for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
    if (prompt.ids[i] != kImage || i == 0 || prompt.ids[i - 1] != kImage) ids.push_back(prompt.ids[i]);
  }
  const std::string text = shapes().decode(ids), open = "<|im_start|>user\n",
                    close = "<|im_end|>\n<|im_start|>assistant\n";
  const std::size_t begin = text.find(open) + open.size();
  REQUIRE(text.ends_with(close));
  return text.substr(begin, text.size() - close.size() - begin);
}

void check_usage_error(const std::string& question, const std::vector<i64>& rows,
                       const std::string& message) {
  try {
    prompt(question, rows);
    FAIL_CHECK("expected an error: " << message);
  } catch (const la::Error& error) {
    CHECK(error.what() == message);
    CHECK(error.kind() == la::ErrorKind::usage);
  }
}

}  // namespace

TEST_CASE("prompt: every golden question gives the golden ids") {
  for (const std::string set : {"shapes", "odd"}) {
    const auto tokenizer =
        la::Tokenizer::load(la::test::source(set == "odd" ? "tests/checkpoints/odd" : "data/shapes"));
    simdjson::dom::parser parser;
    int count = 0;
    for (simdjson::dom::element entry :
         parser.load(la::test::source("tests/goldens/" + set + "/cases.json"))) {
      const std::string_view question = entry["question"];
      const std::vector<i64> rows{std::int64_t(entry["grid_hw"].at(0)) *
                                  std::int64_t(entry["grid_hw"].at(1)) / 4};
      const la::Prompt prompt = la::build_prompt(tokenizer, special(), la::PromptText(question), rows);
      CHECK_MESSAGE(prompt.ids == ids_of(entry["prompt_ids"]), question);
      REQUIRE(prompt.images.size() == 1);
      CHECK(prompt.images[0].count == rows[0]);
      ++count;
    }
    CHECK(count == (set == "odd" ? 26 : 73));
  }
}

TEST_CASE("prompt: the golden questions come from their tasks and phrases") {
  const la::PromptText detect = la::question(la::Task::detect, "green cross</c>pink ring</c>orange diamond");
  simdjson::dom::parser parser;
  const auto cases = parser.load(la::test::source("tests/goldens/shapes/cases.json"));
  const simdjson::dom::element first = cases.at(0);
  REQUIRE(detect.text() == std::string_view(first["question"]));
  CHECK(la::build_prompt(shapes(), special(), detect, std::vector<i64>{30}).ids ==
        ids_of(first["prompt_ids"]));
}

TEST_CASE("prompt: the 3B's golden ids") {
  const std::string path = la::test::shared("checkpoints/3b-meta");
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: no " << path);
    return;
  }
  const auto tokenizer = la::Tokenizer::load(path);
  la::SpecialTokens tokens;
  tokens.image = 151665;
  const auto question = la::question(la::Task::detect, la::detect_categories("cat, remote control"));
  const la::Prompt prompt = la::build_prompt(tokenizer, tokens, question, std::vector<i64>{1});
  const Ids expected{151644, 8948,   198,   2610, 525,   264,    10950, 17847,  624,    151645, 198,
                     151644, 872,    198,   27,   1805,  220,    16,    29,     151666, 151665, 151667,
                     9152,   349,    678,   279,  13121, 429,    9071,  279,    2701,   4008,   25,
                     8251,   152680, 18147, 2524, 13,    151645, 198,   151644, 77091,  198};
  CHECK(prompt.ids == expected);
  REQUIRE(prompt.images.size() == 1);
  CHECK(prompt.images[0].first == 20);

  // The other template has no newline before the first <|im_end|>: "." and newline are one token here.
  Ids chat = expected;
  chat[8] = 13;
  CHECK(la::build_prompt(tokenizer, tokens, question, std::vector<i64>{1}, la::PromptStyle::chat).ids ==
        chat);
}

TEST_CASE("prompt: the chat style lacks one newline") {
  const Ids processor = prompt("x", {2}).ids, chat = prompt("x", {2}, la::PromptStyle::chat).ids;
  CHECK(shapes().decode(chat).starts_with(
      "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image 1><img>"));
  CHECK(shapes().decode(processor).starts_with(
      "<|im_start|>system\nYou are a helpful assistant.\n<|im_end|>\n<|im_start|>user\n"));
  CHECK(la::parse_prompt_style("chat") == la::PromptStyle::chat);
  CHECK(la::parse_prompt_style("processor") == la::PromptStyle::processor);
  CHECK_THROWS_WITH_AS(la::parse_prompt_style("qwen"),
                       "prompt style: expected processor or chat, found \"qwen\"", la::Error);
}

TEST_CASE("prompt: images that the question does not name come first, in order") {
  const std::string rows = "<img><IMG_CONTEXT></img>";
  CHECK(user_text(prompt("Q", {1})) == "<image 1>" + rows + "Q");
  CHECK(user_text(prompt("Q", {1, 2, 3})) ==
        "<image 1>" + rows + "<image 2>" + rows + "<image 3>" + rows + "Q");
  CHECK(user_text(prompt("a <image-1> b", {4})) == "a <image 1>" + rows + " b");
  CHECK(user_text(prompt("a <image-2> b", {4, 5, 6})) ==
        "<image 1>" + rows + "<image 3>" + rows + "a <image 2>" + rows + " b");
  CHECK(user_text(prompt("<image-2><image-1>", {4, 5})) == "<image 2>" + rows + "<image 1>" + rows);
  CHECK(user_text(prompt("only text", {})) == "only text");
}

TEST_CASE("prompt: spans give the images in the order of the text") {
  const la::Prompt p = prompt("compare <image-3> with <image-1> and <image-3>", {3, 4, 5});
  const i64 order[] = {1, 2, 0, 2};
  REQUIRE(p.images.size() == 4);
  i64 total = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(p.images[i].image == order[i]);
    CHECK(p.images[i].count == 3 + order[i]);
    for (i64 at = 0; at < p.images[i].count; ++at) CHECK(p.ids[p.images[i].first + at] == kImage);
    CHECK(p.ids[p.images[i].first - 1] == *shapes().added_token_id("<img>"));
    CHECK(p.ids[p.images[i].first + p.images[i].count] == *shapes().added_token_id("</img>"));
    total += p.images[i].count;
  }
  CHECK(std::count(p.ids.begin(), p.ids.end(), kImage) == total);
}

TEST_CASE("prompt: questions that no image answers are usage errors") {
  check_usage_error("a <IMG_CONTEXT>", {1},
                    "question: expected no <IMG_CONTEXT>, the token that stands for an image's rows");
  check_usage_error("<image-2>", {1}, "question: expected the number of one of 1 images, found <image-2>");
  check_usage_error("<image-0>", {1}, "question: expected the number of one of 1 images, found <image-0>");
  check_usage_error(
      "<image-99999999999999999999999>", {1},
      "question: expected the number of one of 1 images, found <image-99999999999999999999999>");
  check_usage_error("<image-1>", {}, "question: expected the number of one of 0 images, found <image-1>");
  check_usage_error("<video-1>", {1}, "question: expected images only, found <video-1>");
  check_usage_error("ab\xff", {1}, "question: not valid UTF-8 at byte offset 2 of 3");
}

TEST_CASE("prompt: the errors hold in a literal phrase too") {
  for (const char* phrase : {"<IMG_CONTEXT>", "<image-2>", "<video-1>"}) {
    CHECK_THROWS_AS(
        la::build_prompt(shapes(), special(), la::question(la::Task::point, phrase), std::vector<i64>{1}),
        la::Error);
  }
}

TEST_CASE("prompt: what only looks like a placeholder is text") {
  for (const std::string text :
       {"<image-", "<image->", "<image-1", "<image-x>", "<image 1>", "<image-1 >", "<Image-1>", "<<image-"}) {
    CHECK(user_text(prompt(text, {1})) == "<image 1><img><IMG_CONTEXT></img>" + text);
  }
}

TEST_CASE("prompt: a raw question's special tokens are read, a phrase's are not") {
  const std::int32_t box = *shapes().added_token_id("<box>"), end = *shapes().added_token_id("<|im_end|>");
  const auto count = [](const la::Prompt& p, std::int32_t id) {
    return std::count(p.ids.begin(), p.ids.end(), id);
  };
  CHECK(count(prompt("a <box> b", {1}), box) == 1);
  const auto phrase = la::question(la::Task::point, "<box><|im_end|>");
  const la::Prompt literal = la::build_prompt(shapes(), special(), phrase, std::vector<i64>{1});
  CHECK(count(literal, box) == 0);
  CHECK(count(literal, end) == 2);  // the template's own
  CHECK(user_text(literal) == "<image 1><img><IMG_CONTEXT></img>Point to: <box><|im_end|>.");
}

TEST_CASE("prompt: a plain phrase encodes as the whole question does") {
  for (const std::string phrase : {"red circle", " padded ", "isn't", "日本", "e\u0301", "\n", ""}) {
    const auto question = la::question(la::Task::ground_single, phrase);
    CHECK(la::build_prompt(shapes(), special(), question, std::vector<i64>{2}).ids ==
          prompt(question.text(), {2}).ids);
  }
}

TEST_CASE("prompt: an image without rows is an error") {
  CHECK_THROWS_WITH_AS(prompt("x", {4, 0}), "image 2: expected at least one row, found 0", la::Error);
  CHECK_THROWS_AS(prompt("x", {-1}), la::Error);
}

TEST_CASE("prompt: NUL is a character, of a phrase and of a question") {
  const std::string phrase("red\0circle", 10);
  for (const auto& asked : {la::question(la::Task::point, phrase), la::PromptText(phrase)}) {
    const la::Prompt p = la::build_prompt(shapes(), special(), asked, std::vector<i64>{1});
    CHECK(shapes().decode(p.ids).find(phrase) != std::string::npos);
  }
}

TEST_CASE("prompt: a megabyte of text, of blanks, of marks and of brackets") {
  constexpr std::size_t kSize = 1 << 20;
  std::string marks = "e", hangul;
  while (marks.size() < kSize) marks += "\u0301\u0323";
  while (hangul.size() < kSize) hangul += "\u1100\u1161";
  for (const std::string& text : {std::string(kSize, 'e'), std::string(kSize, ' '), std::string(kSize, '<'),
                                  std::string(kSize, '\n'), std::string(kSize, '\''), marks, hangul}) {
    const la::Prompt literal =
        la::build_prompt(shapes(), special(), la::question(la::Task::point, text), std::vector<i64>{1});
    const la::Prompt read = prompt(text, {1});
    const bool trimmed = text.find_first_not_of(" \n") == text.npos;  // a phrase's ends are
    CHECK(trimmed == (literal.ids.size() < 100));
    CHECK(read.ids.size() > 100);
  }
}

TEST_CASE("prompt: images that fill the sequence are refused with the numbers, before their rows are made") {
  check_usage_error("x", {2048},
                    "question: 2048 tokens of 1 images leave no room for text, model_max_length is 2048");
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += "<image-1>";
  check_usage_error(
      many, {60'000},
      "question: 6000000000 tokens of 100000 images leave no room for text, model_max_length is 2048");
  CHECK(prompt("x", {2047}).ids.size() > 2047);
}
