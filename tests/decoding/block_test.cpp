#include "../../la/decoding/block.hpp"

#include <simdjson.h>

#include <map>
#include <vector>

#include "../../la/io/safetensors.hpp"
#include "../support.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

/// The vocabulary of the golden blocks.
la::SpecialTokens block_tokens() {
  la::SpecialTokens s;
  s.box_start = 100, s.box_end = 101, s.ref_start = 102, s.ref_end = 103;
  s.coord_first = 6, s.coord_last = 86;
  s.none = 3, s.null = 104, s.end = 105, s.switch_to_ar = 106, s.mask = 107;
  return s;
}

la::BlockRow greedy_row(const std::vector<float>& p) {
  const la::RowSummary row = la::summarize(p, block_tokens());
  return {row, row.best[0]};
}

/// Six rows that give each of these ids (almost) all the mass.
la::BlockRows rows_of(const Ids& ids) {
  la::BlockRows rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<float> p(128, 0.0f);
    p[std::size_t(ids[i])] = 1;
    rows[i] = greedy_row(p);
  }
  return rows;
}

/// One row with chosen probabilities.
la::BlockRow row_of(const std::map<std::int32_t, float>& chosen) {
  std::vector<float> p(128, 0.0f);
  for (const auto& [id, probability] : chosen) p[std::size_t(id)] = probability;
  return greedy_row(p);
}

template <class Tokens>
Ids ids_of(const Tokens& tokens) {
  Ids ids;
  for (const la::Candidate& token : tokens) ids.push_back(token.id);
  return ids;
}

la::BlockTokens tokens_of(const Ids& ids) {
  la::BlockTokens tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = {ids[i], 0.5f};
  return tokens;
}

Ids read_ids(simdjson::dom::element array) {
  Ids ids;
  for (const std::int64_t id : array.get_array()) ids.push_back(std::int32_t(id));
  return ids;
}

la::Sampling read_sampling(simdjson::dom::element params) {
  la::Sampling sampling;
  sampling.temperature = float(double(params["temperature"]));
  sampling.repetition_penalty = float(double(params["repetition_penalty"]));
  if (!params["top_p"].is_null()) sampling.top_p = float(double(params["top_p"]));
  if (!params["top_k"].is_null()) sampling.top_k = int(std::int64_t(params["top_k"]));
  return sampling;
}

/// The goldens call every block of text a ref_object.
std::string golden_name(la::BlockType type) {
  switch (type) {
    case la::BlockType::coord_box:
      return "coord_box";
    case la::BlockType::point_box:
      return "point_box";
    case la::BlockType::empty_box:
      return "empty_box";
    case la::BlockType::error_box:
      return "error_box";
    case la::BlockType::text:
      return "ref_object";
    case la::BlockType::end:
      return "im_end";
  }
  return "";
}

void check_golden_block(simdjson::dom::element golden, std::vector<float> logits) {
  const auto special = block_tokens();
  const auto sampling = read_sampling(golden["params"]);
  const la::Mode mode = std::string_view(golden["mode"]) == "hybrid" ? la::Mode::hybrid : la::Mode::fast;
  la::SeenTokens seen;
  for (const std::int32_t id : read_ids(golden["generated"])) seen.add(id);

  la::BlockRows rows;
  la::Random random(sampling.seed);
  const std::size_t vocabulary = logits.size() / rows.size();
  Ids argmax;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = std::span(logits).subspan(i * vocabulary, vocabulary);
    la::to_probabilities(row, sampling, seen.ids());
    const la::RowSummary summary = la::summarize(row, special);
    rows[i] = {summary, sampling.temperature > 0 ? la::draw(row, random) : summary.best[0]};
    argmax.push_back(rows[i].token.id);
  }
  CHECK(argmax == read_ids(golden["argmax"]));

  const auto block = la::read_block(rows, special, mode);
  CHECK(block.has_value() == !golden["block"].is_null());
  if (block && !golden["block"].is_null()) CHECK(ids_of(*block) == read_ids(golden["block"]));

  const auto output = la::decode_block(rows, special, mode);
  CHECK(golden_name(output.type) == std::string_view(golden["type"]));
  CHECK(ids_of(output.tokens) == read_ids(golden["tokens"]));
  CHECK(output.switches_to_ar() == bool(golden["switch_to_ar"]));
}

}  // namespace

TEST_CASE("block: every golden block is read as the reference reads it") {
  simdjson::dom::parser parser;
  const auto golden = parser.load(la::test::source("tests/goldens/unit/block_cases.json")).value();
  const auto file = la::SafetensorsFile::open(la::test::source("tests/goldens/unit/block_cases.safetensors"));
  const auto* stored = file.find("logits");
  REQUIRE(stored != nullptr);
  const la::i64 size = 6 * 128;
  la::i64 k = 0;
  for (const simdjson::dom::element block : golden["cases"].get_array()) {
    CAPTURE(k);
    std::vector<float> logits(size);
    la::read_f32(*stored, k++ * size, logits);
    check_golden_block(block, std::move(logits));
  }
  CHECK(k == 500);
}

TEST_CASE("block: the patterns of the table") {
  struct Pattern {
    Ids tokens, hybrid, fast;
    la::BlockType hybrid_type, fast_type;
  };
  using la::BlockType;
  const std::vector<Pattern> patterns{
      {{104, 9, 9, 9, 9, 9}, {105}, {105}, BlockType::end, BlockType::end},
      {{105, 104, 104, 104, 104, 104}, {105}, {105}, BlockType::end, BlockType::end},
      {{100, 3, 101, 104, 104, 104},
       {100, 3, 101},
       {100, 3, 101},
       BlockType::empty_box,
       BlockType::empty_box},
      {{100, 3, 50, 60, 70, 80}, {100, 3, 101}, {100, 3, 101}, BlockType::empty_box, BlockType::empty_box},
      {{100, 6, 86, 7, 8, 101},
       {100, 6, 86, 7, 8, 101},
       {100, 6, 86, 7, 8, 101},
       BlockType::coord_box,
       BlockType::coord_box},
      {{100, 6, 86, 101, 104, 104},
       {100, 6, 86, 101},
       {100, 6, 86, 101},
       BlockType::point_box,
       BlockType::point_box},
      {{100, 6, 0, 7, 8, 101}, {100, 6}, {100, 6, 0, 7, 8, 101}, BlockType::error_box, BlockType::coord_box},
      {{100, 5, 7, 7, 7, 101}, {100}, {100, 5, 7, 7, 7, 101}, BlockType::error_box, BlockType::coord_box},
      {{100, 9, 9, 9, 101, 104},
       {100, 9, 9, 9},
       {100, 9, 9, 9, 101, 104},
       BlockType::error_box,
       BlockType::coord_box},
      {{100, 9, 9, 9, 9, 9},  // a fifth coordinate is not taken over
       {100, 9, 9, 9, 9},
       {100, 9, 9, 9, 9, 9},
       BlockType::error_box,
       BlockType::coord_box},
      {{102, 111, 103, 104, 5, 5}, {102, 111, 103}, {102, 111, 103}, BlockType::text, BlockType::text},
      {{102, 111, 112, 113, 103, 103},
       {102, 111, 112, 113, 103},
       {102, 111, 112, 113, 103},
       BlockType::text,
       BlockType::text},
      {{111, 103, 103, 104, 103, 103}, {111, 103}, {111, 103}, BlockType::text, BlockType::text},
      {{103, 103, 111, 111, 111, 111},
       {103, 103, 111, 111, 111, 111},
       {103, 103, 111, 111, 111, 111},
       BlockType::text,
       BlockType::text},
      {{103, 104, 103, 103, 103, 103}, {103}, {103}, BlockType::text, BlockType::text},
      {{111, 105, 112, 113, 114, 115},  // an end after the first place does not end
       {111, 105, 112, 113, 114, 115},
       {111, 105, 112, 113, 114, 115},
       BlockType::text,
       BlockType::text},
  };
  for (const Pattern& p : patterns) {
    CAPTURE(p.tokens);
    const auto hybrid = la::classify_block(tokens_of(p.tokens), block_tokens(), la::Mode::hybrid);
    CHECK(ids_of(hybrid.tokens) == p.hybrid);
    CHECK(hybrid.type == p.hybrid_type);
    const auto fast = la::classify_block(tokens_of(p.tokens), block_tokens(), la::Mode::fast);
    CHECK(ids_of(fast.tokens) == p.fast);
    CHECK(fast.type == p.fast_type);
    CHECK_FALSE(fast.switches_to_ar());
  }
}

TEST_CASE("block: a box is read without its <box>, thresholds are inclusive where they say so") {
  auto rows = rows_of({111, 10, 20, 30, 40, 101});
  rows[5] = row_of({{101, 0.1f}, {104, 0.05f}, {105, 0.05f}, {111, 0.8f}});
  CHECK((0.1f + 0.05f) + 0.05f >= 0.2f);
  REQUIRE(la::read_block(rows, block_tokens(), la::Mode::fast).has_value());
  CHECK(ids_of(*la::read_block(rows, block_tokens(), la::Mode::fast)) == Ids{100, 10, 20, 30, 40, 101});
  rows[5] = row_of({{101, 0.1f}, {104, 0.05f}, {105, 0.04f}, {111, 0.81f}});
  CHECK_FALSE(la::read_block(rows, block_tokens(), la::Mode::fast).has_value());
}

TEST_CASE("block: an empty box wants every one of its five tokens") {
  const auto special = block_tokens();
  la::BlockRows sure;
  sure[0] = row_of({{100, 0.7f}, {111, 0.3f}});
  sure[1] = row_of({{3, 0.21f}, {111, 0.79f}});
  sure[2] = row_of({{101, 0.21f}, {111, 0.79f}});
  sure[3] = sure[4] = row_of({{104, 0.11f}, {111, 0.89f}});
  sure[5] = row_of({{111, 1.0f}});
  REQUIRE(la::read_block(sure, special, la::Mode::hybrid).has_value());
  CHECK(ids_of(*la::read_block(sure, special, la::Mode::hybrid)) == Ids{100, 3, 101, 104, 104, 104});
  const std::vector<std::map<std::int32_t, float>> weaker{
      {{100, 0.69f}}, {{3, 0.2f}}, {{101, 0.2f}}, {{104, 0.1f}}, {{104, 0.1f}}};
  for (std::size_t i = 0; i < weaker.size(); ++i) {
    auto rows = sure;
    rows[i] = row_of(weaker[i]);
    CAPTURE(i);
    CHECK_FALSE(la::read_block(rows, special, la::Mode::hybrid).has_value());
  }
}

TEST_CASE("block: only the top four of a row can be its coordinate") {
  auto rows = rows_of({100, 10, 20, 30, 40, 101});
  rows[2] = row_of({{111, 0.4f}, {112, 0.3f}, {113, 0.2f}, {20, 0.06f}, {21, 0.04f}});
  REQUIRE(la::read_block(rows, block_tokens(), la::Mode::fast).has_value());
  rows[2] = row_of({{111, 0.4f}, {112, 0.3f}, {113, 0.2f}, {114, 0.06f}, {20, 0.04f}});
  CHECK_FALSE(la::read_block(rows, block_tokens(), la::Mode::fast).has_value());
}

TEST_CASE("block: a coordinate in doubt becomes id 0, in hybrid only") {
  auto rows = rows_of({100, 10, 20, 30, 40, 101});
  const auto second = [&](la::Mode mode) { return la::read_block(rows, block_tokens(), mode)->at(2).id; };
  rows[2] = row_of({{7, 0.6f}, {68, 0.4f}});  // 61 apart
  CHECK(second(la::Mode::hybrid) == 0);
  CHECK(second(la::Mode::fast) == 7);
  rows[2] = row_of({{7, 0.6f}, {67, 0.4f}});  // 60 apart
  CHECK(second(la::Mode::hybrid) == 7);
  rows[2] = row_of({{7, 0.9f}, {68, 0.1f}});  // sure
  CHECK(second(la::Mode::hybrid) == 7);
  rows[2] = row_of({{7, 0.5f}, {111, 0.5f}});  // the only one
  CHECK(second(la::Mode::hybrid) == 7);
}

TEST_CASE("block: a ref takes the best word among the top five of each row") {
  auto rows = rows_of({102, 111, 112, 103, 103, 103});
  rows[0] = row_of({{102, 0.6f}, {111, 0.4f}});
  rows[1] = row_of({{10, 0.4f}, {11, 0.2f}, {12, 0.2f}, {13, 0.1f}, {115, 0.1f}});
  REQUIRE(la::read_block(rows, block_tokens(), la::Mode::hybrid).has_value());
  CHECK(ids_of(*la::read_block(rows, block_tokens(), la::Mode::hybrid)) == Ids{102, 115, 112, 103, 103, 103});
  rows[1] = row_of({{10, 0.4f}, {11, 0.2f}, {12, 0.2f}, {13, 0.1f}, {14, 0.06f}, {115, 0.04f}});
  CHECK_FALSE(la::read_block(rows, block_tokens(), la::Mode::hybrid).has_value());
  rows = rows_of({102, 111, 112, 103, 103, 103});
  CHECK(ids_of(la::decode_block(rows, block_tokens(), la::Mode::hybrid).tokens) ==
        Ids{102, 111, 112, 103, 103});
  rows[0] = row_of({{102, 0.59f}, {111, 0.41f}});
  CHECK_FALSE(la::read_block(rows, block_tokens(), la::Mode::hybrid).has_value());
}

TEST_CASE("block: derived tokens keep the probability of the token they replace") {
  const auto special = block_tokens();
  la::BlockTokens tokens = tokens_of({100, 3, 50, 104, 104, 104});
  tokens[2].probability = 0.25f;
  const auto empty = la::classify_block(tokens, special, la::Mode::fast);
  CHECK(empty.tokens[2].id == 101);
  CHECK(empty.tokens[2].probability == 0.25f);
  const auto end = la::classify_block(tokens_of({104, 1, 1, 1, 1, 1}), special, la::Mode::fast);
  CHECK(end.tokens[0].probability == 0.5f);
  CHECK(end.ends());
}

TEST_CASE("block: a drawn token matters only where neither box nor ref is read") {
  const auto special = block_tokens();
  auto box = rows_of({100, 10, 20, 30, 40, 101});
  auto text = rows_of({111, 111, 112, 113, 114, 115});
  for (auto* rows : {&box, &text})
    for (la::BlockRow& row : *rows) row.token = {120, 0.01f};
  CHECK(ids_of(la::decode_block(box, special, la::Mode::hybrid).tokens) == Ids{100, 10, 20, 30, 40, 101});
  CHECK(ids_of(la::decode_block(text, special, la::Mode::hybrid).tokens) == Ids(6, 120));
}

TEST_CASE("block: a special token outside the vocabulary is named") {
  const std::vector<float> p(64, 1.0f / 64);
  CHECK_THROWS_WITH_AS(la::summarize(p, block_tokens()), doctest::Contains("token id 100"), la::Error);
  CHECK_THROWS_WITH_AS(la::summary_ids(block_tokens(), 64), doctest::Contains("token id 100"), la::Error);
}

TEST_CASE("block: a summary that a backend wrote is read as one of all probabilities") {
  la::Random random(3);
  std::vector<float> p(128);
  for (float& x : p) x = float(random.uniform());
  p[40] = p[90] = p[91] = 2;  // among equals the lower ids
  const std::vector<std::int32_t> ids = la::summary_ids(block_tokens(), 128);
  std::vector<float> written(std::size_t(la::summary_floats(std::int64_t(ids.size()))));
  la::write_summary(p, ids, written.data());
  const la::RowSummary want = la::summarize(p, block_tokens()), got = la::read_summary(written);
  CHECK(got.best[1].id == 90);
  for (std::size_t i = 0; i < got.best.size(); ++i) {
    CHECK(got.best[i].id == want.best[i].id);
    CHECK(got.best[i].probability == want.best[i].probability);
  }
  for (const auto field : {&la::RowSummary::box_start, &la::RowSummary::box_end, &la::RowSummary::ref_start,
                           &la::RowSummary::none, &la::RowSummary::null, &la::RowSummary::end})
    CHECK(got.*field == want.*field);
  CHECK(std::ranges::equal(got.coordinates, want.coordinates));
  CHECK_THROWS_WITH_AS(la::summary_ids(block_tokens(), la::kMaxSummaryVocabulary + 1),
                       doctest::Contains("expected 5 to 16777216 tokens"), la::Error);
}
