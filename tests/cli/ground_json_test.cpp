#include "ground_answer.hpp"

using namespace la::test;

namespace {

void check_item(Json item, double width, double height) {
  const std::string kind = text(item, "kind");
  text(item, "label");
  CHECK(number(item, "score") > 0);
  CHECK(number(item, "score") <= 1);
  const bool box = kind == "box", point = kind == "point";
  CHECK((box || point || kind == "none"));
  CHECK(item["box"].error() == (box ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD));
  CHECK(item["point"].error() == (point ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD));
  CHECK(item["box_1000"].error() == (box || point ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD));
  if (kind == "none") return;
  const std::vector<double> thousandths = numbers(item, "box_1000"),
                            pixels = numbers(item, box ? "box" : "point");
  REQUIRE(thousandths.size() == (box ? 4 : 2));
  REQUIRE(pixels.size() == thousandths.size());
  for (std::size_t i = 0; i < thousandths.size(); ++i) {
    CHECK(thousandths[i] == std::floor(thousandths[i]));
    CHECK(thousandths[i] >= 0);
    CHECK(thousandths[i] <= 1000);
    if (point) CHECK(pixels[i] == doctest::Approx(thousandths[i] / 1000 * (i ? height : width)));
  }
  if (!box) return;
  CHECK(pixels[0] <= pixels[2]);
  CHECK(pixels[1] <= pixels[3]);
  CHECK(pixels[0] == doctest::Approx(std::min(thousandths[0], thousandths[2]) / 1000 * width));
  CHECK(pixels[3] == doctest::Approx(std::max(thousandths[1], thousandths[3]) / 1000 * height));
}

/// Every field of interfaces.md, its type and its sense.
void check_answer(Json answer) {
  for (const char* key : {"image", "query", "mode", "answer", "stop", "isa", "weights", "activations"})
    CHECK_MESSAGE(!text(answer, key).empty(), key);
  const double width = double(integer(answer, "width")), height = double(integer(answer, "height"));
  const std::vector<double> grid = numbers(answer, "grid");
  REQUIRE(grid.size() == 2);
  for (double side : grid) CHECK(std::fmod(side, 2) == 0);
  const std::vector<std::int32_t> ids = token_ids(answer);
  CHECK(!ids.empty());
  const std::string stop = text(answer, "stop"), mode = text(answer, "mode");
  CHECK((stop == "eos" || stop == "max_tokens" || stop == "loop"));
  CHECK((mode == "slow" || mode == "fast" || mode == "hybrid"));
  CHECK(integer(answer, "forward_steps") >= 1);
  CHECK(integer(answer, "forward_steps") <= std::int64_t(ids.size()));
  CHECK(integer(answer, "switches_to_ar") >= 0);
  for (const char* stage : {"load", "preprocess", "vision", "prefill", "decode"})
    CHECK_MESSAGE(number(answer["seconds"], stage) >= 0, stage);
  CHECK(number(answer, "tokens_per_second") >= 0);
  CHECK(number(answer, "peak_rss_mb") > 1);
  for (Json item : items(answer)) check_item(item, width, height);
}

Answers ask(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = ground(std::move(arguments));
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.back() == '\n');
  Answers answers(outcome.out);
  for (std::size_t i = 0; i < answers.size(); ++i) check_answer(answers[i]);
  return answers;
}

}  // namespace

TEST_CASE("ground --json: every field, for boxes, points, none and several questions") {
  const Answers boxes = ask({"--phrase", "red circle"});
  REQUIRE(boxes.size() == 1);
  CHECK(text(boxes[0], "image") == source("data/pictures/shapes.png"));
  CHECK(integer(boxes[0], "width") == 224);
  CHECK(integer(boxes[0], "height") == 168);
  CHECK(numbers(boxes[0], "grid") == std::vector<double>{12, 16});
  CHECK(text(boxes[0], "mode") == "hybrid");
  CHECK(text(boxes[0], "stop") == "eos");
  CHECK(text(boxes[0], "answer").find("<ref>red circle</ref><box><") == 0);
  CHECK(text(boxes[0], "answer").find("<|im_end|>") != std::string::npos);
  CHECK(text(boxes[0], "weights") == "bf16");
  CHECK(text(boxes[0], "activations") == "f32");
  CHECK(integer(boxes[0], "switches_to_ar") == 0);

  CHECK(items(ask({"--task", "point", "--phrase", "green star"})[0]).size() == 1);
  CHECK(items(ask({"--phrase", "purple square"})[0]).size() == 1);
  CHECK(ask({"--phrase", "red circle", "--phrase", "star", "--phrase", "pink ring"}).size() == 3);
}

TEST_CASE("ground --json: cut by --max-tokens says so") {
  const Answers answers = ask({"--phrase", "red circle", "--generation-mode", "slow", "--max-tokens", "3"});
  CHECK(text(answers[0], "stop") == "max_tokens");
  CHECK(token_ids(answers[0]).size() == 3);
  CHECK(integer(answers[0], "forward_steps") <= 3);
  CHECK(items(answers[0]).empty());
  CHECK(bool(answers[0]["truncated"]));
  CHECK(text(answers[0], "answer").find("<|im_end|>") == std::string::npos);
  bool told = false;
  for (const auto warning : answers[0]["warnings"].get_array())
    told = told || std::string_view(warning) == "the answer was cut at 3 tokens";
  CHECK(told);

  const Answers single =
      ask({"--phrase", "red circle", "--generation-mode", "slow", "--max-tokens", "3", "--speculate", "off"});
  CHECK(integer(single[0], "forward_steps") == 3);
  CHECK(integer(single[0]["stats"], "drafted") == 0);
  CHECK(token_ids(single[0]) == token_ids(answers[0]));
  CHECK_FALSE(bool(ask({"--phrase", "red circle"})[0]["truncated"]));
}

TEST_CASE("ground --json: any phrase comes back as it was") {
  for (const std::string& phrase :
       {std::string("a \"quoted\" one"), std::string("back\\slash \\n \\u0041"),
        std::string("two\nlines\r\n\ttab"), std::string("bell \a, escape \x1b, delete \x7f"),
        std::string("Grüße, 红色的圆, красный круг, 🔴👩‍👩‍👧, e\u0301"),
        std::string("<box><|im_end|></ref></c>"), std::string("'--json'"), std::string("{}[],:")}) {
    const Answers answers = ask({"--phrase=" + phrase});
    REQUIRE(answers.size() == 1);
    CHECK(text(answers[0], "query") ==
          "Locate a single instance that matches the following description: " + phrase + ".");
  }
}

TEST_CASE("ground --json: a picture's name needs no care either") {
  TemporaryDirectory here;
  const std::string path = here / "a \"b\"\n\\ü.png";
  std::filesystem::copy_file(source("data/pictures/shapes.png"), path);
  CHECK(text(ask({"--image", path})[0], "image") == path);
}

TEST_CASE("ground --json: a phrase that is no UTF-8 is refused or still gives valid JSON") {
  const Outcome outcome = ground({"--json", "--phrase", "red \xff\xc3 circle"});
  if (outcome.status == 0) {
    CHECK(Answers(outcome.out).size() == 1);
  } else {
    CHECK(outcome.out.empty());
    CHECK(outcome.last_error().find("ground: ") == 0);
  }
}

TEST_CASE("ground: a label with control characters stays on its line") {
  const Outcome outcome = ground({"--phrase", "red\ncircle\x1b[2J"});
  CHECK(outcome.status == 0);
  for (char c : outcome.out) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
}
