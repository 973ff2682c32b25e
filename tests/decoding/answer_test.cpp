#include "../../la/decoding/answer.hpp"

#include <simdjson.h>

#include <cmath>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "../../la/decoding/sampling.hpp"
#include "../support.hpp"

namespace la::test::of_answer {
namespace {

using Ids = std::vector<std::int32_t>;

enum : std::int32_t { kBox = 1, kBoxEnd, kRef, kRefEnd, kNone, kEnd, kNull, kWord = 20, kCoord = 1000 };

la::SpecialTokens answer_tokens() {
  la::SpecialTokens s;
  s.box_start = kBox, s.box_end = kBoxEnd, s.ref_start = kRef, s.ref_end = kRefEnd;
  s.none = kNone, s.end = kEnd, s.null = kNull;
  s.coord_first = kCoord, s.coord_last = kCoord + 1000;
  return s;
}

/// Of a token without a doubt, as of a coordinate that spreads nowhere.
la::Evidence sure(float probability = 1, float coordinate = 0) {
  la::Evidence evidence{probability, 1, {}};
  evidence.spread.at[0] = coordinate;
  evidence.spread.weight[0] = 1;
  return evidence;
}

std::string letters(std::span<const std::int32_t> ids) {
  std::string text;
  for (const std::int32_t id : ids) text += char('a' + (id - kWord) % 26);
  return text;
}

la::Answer parse(const Ids& ids) {
  const std::vector<la::Evidence> certain(ids.size(), sure());
  return la::parse_answer(ids, certain, answer_tokens(), letters, 2000, 500);
}

std::vector<std::string> labels_of(const la::Answer& answer) {
  std::vector<std::string> labels;
  for (const auto& item : answer.items) labels.push_back(item.label);
  return labels;
}

std::int32_t config_id(simdjson::dom::element config, const char* key) {
  return std::int32_t(std::int64_t(config[key]));
}

la::SpecialTokens tokens_of_checkpoint(const std::string& directory) {
  simdjson::dom::parser parser;
  const auto config = parser.load(directory + "/config.json").value();
  la::SpecialTokens s;
  s.box_start = config_id(config, "box_start_token_id"), s.box_end = config_id(config, "box_end_token_id");
  s.ref_start = config_id(config, "ref_start_token_id"), s.ref_end = config_id(config, "ref_end_token_id");
  s.coord_first = config_id(config, "coord_start_token_id");
  s.coord_last = config_id(config, "coord_end_token_id");
  s.none = config_id(config, "none_token_id");
  s.end = config_id(config["text_config"], "eos_token_id");
  s.null = config_id(config["text_config"], "null_token_id");
  return s;
}

/// Enough of a decoder for the labels here: the vocabulary's spellings, with its mark for a blank.
std::map<std::int32_t, std::string> spellings(const std::string& directory) {
  simdjson::dom::parser parser;
  const auto tokenizer = parser.load(directory + "/tokenizer.json").value();
  std::map<std::int32_t, std::string> text;
  for (const auto [spelling, id] : tokenizer["model"]["vocab"].get_object())
    text[std::int32_t(std::int64_t(id))] =
        std::regex_replace(std::string(spelling), std::regex("\u0120"), " ");
  return text;
}

struct TextItem {
  std::string label;
  std::vector<int> numbers;  // empty for none
};

/// The items of an answer's text, by regular expressions alone.
std::vector<TextItem> items_of_text(const std::string& answer) {
  static const std::regex piece("<ref>([^<>]*)</ref>|<box>((?:<\\d+>){4}|(?:<\\d+>){2}|none)</box>");
  static const std::regex number("\\d+");
  std::vector<TextItem> items;
  std::string label;
  for (std::sregex_iterator it(answer.begin(), answer.end(), piece), end; it != end; ++it) {
    if ((*it)[1].matched) {
      label = (*it)[1];
      continue;
    }
    const std::string inside = (*it)[2];
    TextItem item{label, {}};
    for (std::sregex_iterator n(inside.begin(), inside.end(), number); n != end; ++n)
      item.numbers.push_back(std::stoi(n->str()));
    items.push_back(item);
  }
  return items;
}

/// Returns how many items were compared.
std::size_t check_goldens(const std::string& cases, const std::string& checkpoint) {
  const auto special = tokens_of_checkpoint(la::test::source(checkpoint));
  const auto text = spellings(la::test::source(checkpoint));
  const auto decode = [&](std::span<const std::int32_t> ids) {
    std::string label;
    for (const std::int32_t id : ids) label += text.at(id);
    return label;
  };
  simdjson::dom::parser parser;
  std::size_t compared = 0;
  const auto goldens = parser.load(la::test::source(cases)).value();
  for (const simdjson::dom::element golden : goldens.get_array()) {
    const std::string written{std::string_view(golden["answer"])};
    CAPTURE(written);
    Ids ids;
    for (const std::int64_t id : golden["answer_ids"].get_array()) ids.push_back(std::int32_t(id));
    const std::vector<la::Evidence> certain(ids.size(), sure());
    const auto answer = la::parse_answer(ids, certain, special, decode, 1000, 1000);
    const auto expected = items_of_text(written);
    REQUIRE(answer.items.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i, ++compared) {
      const auto& item = answer.items[i];
      CHECK(item.label == expected[i].label);
      CHECK((item.kind == la::Item::Kind::none) == expected[i].numbers.empty());
      CHECK((item.kind == la::Item::Kind::box) == (expected[i].numbers.size() == 4));
      for (std::size_t n = 0; n < expected[i].numbers.size(); ++n)
        CHECK(item.box_1000[n] == expected[i].numbers[n]);
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("answer: every golden answer parses to the items its text spells") {
  CHECK(check_goldens("tests/goldens/shapes/cases.json", "data/shapes") > 100);
  check_goldens("tests/goldens/odd/cases.json", "tests/checkpoints/odd");
}

TEST_CASE("answer: a box, a point and none under their labels") {
  const auto answer =
      parse({kRef,         kWord,         kWord + 1, kRefEnd,    kBox,      kCoord + 100, kCoord + 200,
             kCoord + 300, kCoord + 1000, kBoxEnd,   kRef,       kWord + 2, kRefEnd,      kBox,
             kNone,        kBoxEnd,       kBox,      kCoord + 1, kCoord,    kBoxEnd,      kEnd});
  CHECK(answer.warnings.empty());
  CHECK(labels_of(answer) == std::vector<std::string>{"ab", "c", "c"});
  CHECK(answer.items[0].kind == la::Item::Kind::box);
  CHECK(answer.items[0].box_1000 == std::array<int, 4>{100, 200, 300, 1000});
  CHECK(answer.items[0].box == std::array<float, 4>{200, 100, 600, 500});
  CHECK(answer.items[1].kind == la::Item::Kind::none);
  CHECK(answer.items[2].kind == la::Item::Kind::point);
  CHECK(answer.items[2].point == std::array<float, 2>{2, 0});
}

TEST_CASE("answer: unordered corners keep the model's order and give a sorted box") {
  const auto answer = parse({kBox, kCoord + 300, kCoord + 900, kCoord + 100, kCoord + 200, kBoxEnd});
  REQUIRE(answer.items.size() == 1);
  CHECK(answer.items[0].label.empty());
  CHECK(answer.items[0].box_1000 == std::array<int, 4>{300, 900, 100, 200});
  CHECK(answer.items[0].box == std::array<float, 4>{200, 100, 600, 450});
}

TEST_CASE(
    "answer: the score is that there is an object times the expected overlap or closeness, or that of none") {
  const auto score_of = [](const Ids& ids, const std::vector<la::Evidence>& evidence) {
    return la::parse_answer(ids, evidence, answer_tokens(), letters, 10, 10).items.at(0).score;
  };
  std::vector<la::Evidence> box{sure(), sure(1, 0), sure(1, 0), sure(1, 100), sure(1, 100), sure()};
  const Ids box_ids{kBox, kCoord, kCoord, kCoord + 100, kCoord + 100, kBoxEnd};
  CHECK(score_of(box_ids, box) == doctest::Approx(1));
  box[0].object = 0.5f;  // the box's own row, and that of its first coordinate; no other's
  CHECK(score_of(box_ids, box) == doctest::Approx(0.5));
  box[1].object = 0.5f, box[2].object = 0.1f, box[5].object = 0.1f;
  CHECK(score_of(box_ids, box) == doctest::Approx(0.25));
  box[3].spread.weight[0] = 0.5f;  // half of the drawn boxes are twice as wide
  box[3].spread.at[1] = 200, box[3].spread.weight[1] = 0.5f;
  CHECK(score_of(box_ids, box) == doctest::Approx(0.25 * 0.75));

  std::vector<la::Evidence> point{sure(), sure(1, 100), sure(1, 100), sure()};
  const Ids point_ids{kBox, kCoord + 100, kCoord + 100, kBoxEnd};
  CHECK(score_of(point_ids, point) == doctest::Approx(1));
  point[2].spread.at[0] = 100 + la::kPointReach / 4;
  CHECK(score_of(point_ids, point) == doctest::Approx(0.75));
  point[1].object = 0.5f;
  CHECK(score_of(point_ids, point) == doctest::Approx(0.375));
  CHECK(score_of({kBox, kNone, kBoxEnd}, {sure(), sure(0.75f), sure()}) == doctest::Approx(0.75));
}

TEST_CASE("answer: the label's score is the geometric mean of its tokens, and stays for all its boxes") {
  const Ids ids{kRef,  kWord,   kWord, kRefEnd, kBox,    kNone, kBoxEnd, kBox,
                kNone, kBoxEnd, kRef,  kWord,   kRefEnd, kBox,  kNone,   kBoxEnd};
  std::vector<la::Evidence> evidence(ids.size(), sure(0.1f));
  evidence[1].probability = 0.9f, evidence[2].probability = 0.4f, evidence[11].probability = 0.5f;
  const auto items = la::parse_answer(ids, evidence, answer_tokens(), letters, 10, 10).items;
  REQUIRE(items.size() == 3);
  CHECK(items[0].label_score == doctest::Approx(0.6));
  CHECK(items[1].label_score == doctest::Approx(0.6));
  CHECK(items[2].label_score == doctest::Approx(0.5));
  CHECK(parse({kBox, kNone, kBoxEnd}).items.at(0).label_score == 1);
}

TEST_CASE(
    "answer: a box that repeats one of its label is dropped with a warning, and all of that label behind "
    "it") {
  const auto box = [](Ids& ids, std::int32_t x) {
    ids.insert(ids.end(), {kBox, kCoord + x, kCoord, kCoord + 50, kCoord + 50, kBoxEnd});
  };
  Ids ids{kRef, kWord, kRefEnd};
  box(ids, 1), box(ids, 2), box(ids, 1), box(ids, 3);
  ids.insert(ids.end(), {kRef, kWord + 1, kRefEnd});
  box(ids, 1);
  for (const la::Repeats repeats : {la::Repeats::kept, la::Repeats::dropped}) {
    la::AnswerParser parser(answer_tokens(), letters, 100, 100, repeats);
    std::string labels;
    for (const std::int32_t id : ids)
      if (const auto item = parser.feed(id, sure())) labels += item->label;
    CHECK(labels == (repeats == la::Repeats::kept ? "aaaab" : "aab"));
    CHECK(parser.warnings().size() == (repeats == la::Repeats::kept ? 0 : 2));
    if (!parser.warnings().empty())
      CHECK(parser.warnings()[0] == "token 15: dropped a box of \"a\", which had begun to repeat itself");
  }
}

TEST_CASE("answer: boxes that hold anything else are skipped with a warning") {
  const std::vector<Ids> insides{{},
                                 {kCoord},
                                 {kCoord, kCoord, kCoord},
                                 {kCoord, kCoord, kCoord, kCoord, kCoord},
                                 {kNone, kNone},
                                 {kNone, kCoord},
                                 {kCoord, kCoord, kWord, kCoord},
                                 {kCoord, kCoord, kCoord, kCoord, kNull},
                                 {kCoord, kCoord, kRefEnd},
                                 {kWord}};
  for (const Ids& inside : insides) {
    CAPTURE(inside);
    Ids ids{kRef, kWord, kRefEnd, kBox};
    ids.insert(ids.end(), inside.begin(), inside.end());
    ids.insert(ids.end(), {kBoxEnd, kBox, kCoord, kCoord, kBoxEnd});
    const auto answer = parse(ids);
    CHECK(labels_of(answer) == std::vector<std::string>{"a"});
    REQUIRE(answer.warnings.size() == 1);
    CHECK(answer.warnings[0].find("token 3: skipped a <box>, expected 2 or 4 coordinates") == 0);
  }
}

TEST_CASE("answer: unclosed and nested pieces are skipped, the latest complete ref stays the label") {
  const auto nested =
      parse({kRef, kWord, kRef, kWord + 1, kRefEnd, kBox, kCoord, kBox, kCoord, kCoord, kBoxEnd});
  CHECK(labels_of(nested) == std::vector<std::string>{"b"});
  CHECK(nested.warnings ==
        std::vector<std::string>{"token 0: skipped an unclosed <ref>", "token 5: skipped an unclosed <box>"});

  const auto unclosed =
      parse({kRef, kWord, kRefEnd, kRef, kWord + 1, kBox, kCoord, kCoord, kBoxEnd, kBox, kCoord});
  CHECK(labels_of(unclosed) == std::vector<std::string>{"a"});
  CHECK(unclosed.warnings ==
        std::vector<std::string>{"token 3: skipped an unclosed <ref>", "token 9: skipped an unclosed <box>"});

  const auto ref_in_box = parse({kBox, kCoord, kRef, kWord, kRefEnd, kCoord, kBoxEnd, kBox, kNone, kBoxEnd});
  CHECK(labels_of(ref_in_box) == std::vector<std::string>{"a"});
  CHECK(ref_in_box.warnings.size() == 2);
}

TEST_CASE("answer: text outside is one warning for each run, the end is none") {
  const auto answer = parse({kWord, kWord, kBox, kNone, kBoxEnd, kRefEnd, kBoxEnd, kCoord, kEnd});
  CHECK(answer.items.size() == 1);
  CHECK(answer.warnings == std::vector<std::string>{"token 0: skipped 2 tokens outside <ref> and <box>",
                                                    "token 5: skipped 3 tokens outside <ref> and <box>"});
  CHECK(parse({}).items.empty());
  CHECK(parse({}).warnings.empty());
  CHECK(parse({kEnd}).warnings.empty());
}

TEST_CASE("answer: an empty ref clears the label") {
  CHECK(labels_of(parse({kRef, kWord, kRefEnd, kRef, kRefEnd, kBox, kNone, kBoxEnd})) ==
        std::vector<std::string>{""});
}

TEST_CASE("answer: an item is there as soon as its </box> is") {
  la::AnswerParser parser(answer_tokens(), letters, 100, 100);
  const Ids ids{kRef, kWord, kRefEnd, kBox, kCoord, kCoord + 1, kCoord + 2, kCoord + 3, kBoxEnd, kEnd};
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (parser.feed(ids[i], sure())) places.push_back(i);
  CHECK(places == std::vector<std::size_t>{8});
}

TEST_CASE("answer: each id needs its evidence") {
  const Ids ids{kBox};
  CHECK_THROWS_WITH_AS(la::parse_answer(ids, {}, answer_tokens(), letters, 1, 1),
                       doctest::Contains("expected the evidence of 1 tokens, found 0"), la::Error);
}

TEST_CASE("answer: random ids never give a broken item") {
  const std::vector<Ids> fragments{{kBox},          {kBoxEnd},
                                   {kRef},          {kRefEnd},
                                   {kNone},         {kEnd},
                                   {kNull},         {-1},
                                   {1 << 30},       {kWord},
                                   {kCoord},        {kCoord + 1000},
                                   {kCoord + 1001}, {kBox, kCoord, kCoord},
                                   {kBox, kNone},   {kCoord, kCoord, kBoxEnd}};
  la::Random random(11);
  std::size_t items = 0;
  for (int round = 0; round < 3000; ++round) {
    Ids ids;
    for (std::size_t n = random.next() % 16; n > 0; --n) {
      const Ids& fragment = fragments[random.next() % fragments.size()];
      ids.insert(ids.end(), fragment.begin(), fragment.end());
    }
    const std::vector<la::Evidence> halves(ids.size(), sure(0.5f));
    const auto silent = [](std::span<const std::int32_t>) { return std::string("x"); };
    const auto answer = la::parse_answer(ids, halves, answer_tokens(), silent, 100, 100);
    for (const auto& item : answer.items) {
      CHECK((item.score >= 0 && item.score <= 1));
      for (const int n : item.box_1000) CHECK((n >= 0 && n <= 1000));
    }
    items += answer.items.size();
  }
  CHECK(items > 100);
}

}  // namespace la::test::of_answer
