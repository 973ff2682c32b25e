#include "../../la/decoding/generation.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../support.hpp"

namespace la::test::of_generation {
namespace {

using Ids = std::vector<std::int32_t>;
using la::Generation;

constexpr std::int32_t kVocabulary = 128;
enum : std::int32_t { kNone = 3, kBox = 100, kBoxEnd, kRef, kRefEnd, kNull, kEnd, kWord = 110 };

la::SpecialTokens generation_tokens() {
  la::SpecialTokens s;
  s.box_start = kBox, s.box_end = kBoxEnd, s.ref_start = kRef, s.ref_end = kRefEnd;
  s.coord_first = 6, s.coord_last = 86;
  s.none = kNone, s.null = kNull, s.end = kEnd;
  return s;
}

la::GenerationOptions options_of(la::Mode mode, la::StopPolicy stop = la::StopPolicy::official) {
  la::GenerationOptions options;
  options.mode = mode;
  options.stop = stop;
  options.speculate = false;
  return options;
}

/// Logits of one step, each row with its peaks.
class Logits {
 public:
  explicit Logits(const Ids& ids) : values_(ids.size() * kVocabulary, 0.0f), rows_(la::i64(ids.size())) {
    for (std::size_t i = 0; i < ids.size(); ++i) set(i, ids[i], 20);
  }
  Logits& set(std::size_t row, std::int32_t id, float logit) {
    values_[row * kVocabulary + std::size_t(id)] = logit;
    return *this;
  }
  la::Matrix matrix() { return {values_.data(), {rows_, kVocabulary}}; }

 private:
  std::vector<float> values_;
  la::i64 rows_;
};

Logits doubtful_box(std::int32_t x1, std::int32_t y1) {
  Logits logits({kBox, x1, y1, 7, 40, kBoxEnd});
  return logits.set(3, 80, 20);  // 7 or 80
}

/// Plays a script: one list of ids a step, of the length the step wants.
void play(Generation& generation, const std::vector<Ids>& script) {
  for (const Ids& ids : script) {
    REQUIRE_FALSE(generation.finished());
    REQUIRE((generation.next_step() == Generation::Step::ar) == (ids.size() == 1));
    generation.accept(Logits(ids).matrix());
  }
}

Ids output_of(const Generation& generation) {
  return {generation.output().begin(), generation.output().end()};
}

constexpr la::i64 kBlockTokens = 6;
const Ids kPrompt{kWord, kWord + 1};
const Ids kRefBlock{kRef, kWord, kRefEnd, kNull, kNull, kNull};
const Ids kOtherRefBlock{kRef, kWord + 1, kRefEnd, kNull, kNull, kNull};
const Ids kBoxBlock{kBox, 10, 20, 30, 40, kBoxEnd};
const Ids kOtherBoxBlock{kBox, 11, 20, 30, 40, kBoxEnd};
const Ids kEndBlock{kEnd, kNull, kNull, kNull, kNull, kNull};

}  // namespace

TEST_CASE("generation: slow takes one token a step and stops on the end token") {
  Generation g(generation_tokens(), options_of(la::Mode::slow), kPrompt, 100);
  CHECK(g.next_step() == Generation::Step::ar);
  play(g, {{kBox}, {10}, {kNull}, {kWord}, {kBoxEnd}, {kEnd}});
  CHECK(g.finished());
  CHECK(g.stop_reason() == la::StopReason::eos);
  CHECK(output_of(g) == Ids{kBox, 10, kNull, kWord, kBoxEnd, kEnd});
  CHECK(g.sequence().size() == 8);
  CHECK(g.forward_steps() == 6);
  CHECK(g.switches_to_ar() == 0);
}

TEST_CASE("generation: fast takes blocks only") {
  Generation g(generation_tokens(), options_of(la::Mode::fast), kPrompt, 100);
  play(g, {kRefBlock,
           kBoxBlock,
           {kBox, 10, 20, kBoxEnd, kNull, kNull},
           {kBox, kNone, kBoxEnd, kNull, kNull, kNull}});
  g.accept(doubtful_box(10, 20).matrix());
  CHECK(g.next_step() == Generation::Step::block);
  play(g, {kEndBlock});
  CHECK(g.stop_reason() == la::StopReason::eos);
  CHECK(output_of(g) == Ids{kRef,    kWord, kRefEnd, kBox,    10,   20, 30, 40, kBoxEnd, kBox,    10,  20,
                            kBoxEnd, kBox,  kNone,   kBoxEnd, kBox, 10, 20, 7,  40,      kBoxEnd, kEnd});
  CHECK(g.forward_steps() == 6);
  CHECK(g.switches_to_ar() == 0);
}

TEST_CASE("generation: hybrid leaves a doubtful box to single tokens and returns at </box>") {
  Generation g(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 100);
  play(g, {kRefBlock});
  g.accept(doubtful_box(10, 20).matrix());
  CHECK(output_of(g) == Ids{kRef, kWord, kRefEnd, kBox, 10, 20});
  CHECK(g.next_step() == Generation::Step::ar);
  play(g, {{31}, {kNone}, {41}, {kBoxEnd}});
  CHECK(g.next_step() == Generation::Step::block);
  play(g, {kBoxBlock, kEndBlock});
  CHECK(g.stop_reason() == la::StopReason::eos);
  CHECK(output_of(g) ==
        Ids{kRef, kWord, kRefEnd, kBox, 10, 20, 31, kNone, 41, kBoxEnd, kBox, 10, 20, 30, 40, kBoxEnd, kEnd});
  CHECK(g.forward_steps() == 8);
  CHECK(g.switches_to_ar() == 1);
}

TEST_CASE("generation: any other token in the AR phase is kept and ends the answer") {
  for (const std::int32_t foreign : {kWord, kEnd, kNull, kBox, kRefEnd}) {
    Generation g(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 100);
    g.accept(doubtful_box(10, 20).matrix());
    play(g, {{foreign}});
    CHECK(g.finished());
    CHECK(g.stop_reason() == la::StopReason::eos);
    CHECK(output_of(g) == Ids{kBox, 10, 20, foreign});
  }
}

TEST_CASE("generation: null first ends with the end token, later it cuts, and a doubled </ref> is one") {
  Generation g(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 100);
  play(g, {{kWord, kRefEnd, kNull, kWord, kWord, kWord}, {kRef, kWord, kWord, kWord, kRefEnd, kRefEnd}});
  CHECK(output_of(g) == Ids{kWord, kRefEnd, kRef, kWord, kWord, kWord, kRefEnd});
  CHECK_FALSE(g.finished());
  play(g, {{kNull, kWord, kWord, kWord, kWord, kWord}});
  CHECK(g.stop_reason() == la::StopReason::eos);
  CHECK(output_of(g).back() == kEnd);
  CHECK(g.forward_steps() == 3);
}

TEST_CASE("generation: the length is tested before a step and a block is never cut") {
  auto options = options_of(la::Mode::fast);
  options.max_new_tokens = 7;
  Generation g(generation_tokens(), options, kPrompt, 100);
  play(g, {kBoxBlock});
  CHECK_FALSE(g.finished());
  play(g, {kBoxBlock});
  CHECK(g.stop_reason() == la::StopReason::max_tokens);
  CHECK(output_of(g).size() == 12);  // max_new_tokens + 5
}

TEST_CASE("generation: model_max_length bounds prompt and output together") {
  for (const la::Mode mode : {la::Mode::slow, la::Mode::fast}) {
    auto options = options_of(mode);
    options.max_new_tokens = std::numeric_limits<la::i64>::max();
    Generation g(generation_tokens(), options, kPrompt, 4);
    if (mode == la::Mode::slow) play(g, {{kWord}, {kWord}});
    if (mode == la::Mode::fast) play(g, {kBoxBlock});
    CHECK(g.stop_reason() == la::StopReason::max_tokens);
  }
}

TEST_CASE("generation: an end in the last step that fits is eos") {
  auto options = options_of(la::Mode::slow);
  options.max_new_tokens = 2;
  Generation g(generation_tokens(), options, kPrompt, 100);
  play(g, {{kWord}, {kEnd}});
  CHECK(g.stop_reason() == la::StopReason::eos);
}

TEST_CASE("generation: guarded ends where the model wants to, official reads the box") {
  Logits wants_to_end(kBoxBlock);
  wants_to_end.set(0, kEnd, 30);
  for (const la::StopPolicy stop : {la::StopPolicy::official, la::StopPolicy::guarded}) {
    Generation g(generation_tokens(), options_of(la::Mode::hybrid, stop), kPrompt, 100);
    Logits logits = wants_to_end;
    g.accept(logits.matrix());
    CHECK(g.finished() == (stop == la::StopPolicy::guarded));
    CHECK(output_of(g) == (g.finished() ? Ids{kEnd} : kBoxBlock));
    if (g.finished()) CHECK(g.stop_reason() == la::StopReason::eos);
  }
  Generation g(generation_tokens(), options_of(la::Mode::fast, la::StopPolicy::guarded), kPrompt, 100);
  g.accept(Logits(kBoxBlock).set(0, kNull, 30).matrix());
  CHECK(output_of(g) == Ids{kEnd});
}

TEST_CASE("generation: guarded judges the first row by its probabilities, not by a drawn token") {
  auto options = options_of(la::Mode::hybrid, la::StopPolicy::guarded);
  options.sampling.temperature = 50;  // draws almost evenly
  int ended = 0;
  for (options.sampling.seed = 0; options.sampling.seed < 5; ++options.sampling.seed) {
    Generation g(generation_tokens(), options, kPrompt, 100);
    g.accept(Logits(kEndBlock).matrix());
    ended += g.finished();
  }
  CHECK(ended == 5);
}

TEST_CASE("generation: guarded waits a few boxes for the next label, then withdraws them and ends") {
  const std::vector<Ids> script{kRefBlock, kBoxBlock, kOtherBoxBlock, kOtherRefBlock, kBoxBlock};
  Generation g(generation_tokens(), options_of(la::Mode::hybrid, la::StopPolicy::guarded), kPrompt, 100);
  play(g, script);
  CHECK_FALSE(g.finished());
  const Ids before = output_of(g);
  for (la::i64 n = 1; n < la::kLoopBound; ++n) {
    play(g, {kBoxBlock});
    CHECK_FALSE(g.finished());
  }
  play(g, {kBoxBlock});
  CHECK(g.stop_reason() == la::StopReason::loop);
  CHECK(output_of(g) == before);
  CHECK(g.evidence().size() == before.size());
  CHECK(g.forward_steps() == 5 + la::kLoopBound);

  Generation official(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 1000);
  play(official, script);
  for (la::i64 n = 0; n < 3 * la::kLoopBound; ++n) play(official, {kBoxBlock});
  CHECK_FALSE(official.finished());
}

TEST_CASE("generation: guarded goes on to a label behind repeated boxes") {
  Generation g(generation_tokens(), options_of(la::Mode::hybrid, la::StopPolicy::guarded), kPrompt, 200);
  play(g, {kRefBlock, kBoxBlock, kRefBlock, kBoxBlock, kOtherBoxBlock, kOtherRefBlock, kBoxBlock, kEndBlock});
  CHECK(g.stop_reason() == la::StopReason::eos);
  CHECK(g.forward_steps() == 8);
  // Other boxes of a label that has ended count too; what stays between them starts the count again.
  Generation two(generation_tokens(), options_of(la::Mode::hybrid, la::StopPolicy::guarded), kPrompt, 400);
  play(two, {kRefBlock, kBoxBlock, kBoxBlock});
  play(two, {kOtherBoxBlock, kOtherRefBlock, kBoxBlock, kRefBlock});
  for (la::i64 n = 1; n < la::kLoopBound; ++n) play(two, {kOtherBoxBlock});
  CHECK_FALSE(two.finished());
  play(two, {kOtherBoxBlock});
  CHECK(two.stop_reason() == la::StopReason::loop);
}

TEST_CASE("generation: guarded sees a repeated box however it came") {
  SUBCASE("token by token") {
    Generation g(generation_tokens(), options_of(la::Mode::slow, la::StopPolicy::guarded), kPrompt, 100);
    for (la::i64 n = 0; n <= la::kLoopBound; ++n) play(g, {{kBox}, {10}, {20}, {30}, {40}, {kBoxEnd}});
    CHECK(g.stop_reason() == la::StopReason::loop);
    CHECK(output_of(g) == kBoxBlock);
  }
  SUBCASE("from the AR phase") {
    Generation g(generation_tokens(), options_of(la::Mode::hybrid, la::StopPolicy::guarded), kPrompt, 100);
    play(g, {kRefBlock, kBoxBlock});
    for (la::i64 n = 0; n < la::kLoopBound; ++n) {
      g.accept(doubtful_box(10, 20).matrix());
      play(g, {{30}, {40}, {kBoxEnd}});
    }
    CHECK(g.stop_reason() == la::StopReason::loop);
    CHECK(output_of(g) == Ids{kRef, kWord, kRefEnd, kBox, 10, 20, 30, 40, kBoxEnd});
  }
  SUBCASE("under a ref that is repeated too") {
    Generation g(generation_tokens(), options_of(la::Mode::fast, la::StopPolicy::guarded), kPrompt, 100);
    for (la::i64 n = 0; n <= la::kLoopBound; ++n) play(g, {kRefBlock, kBoxBlock});
    CHECK(g.stop_reason() == la::StopReason::loop);
  }
  SUBCASE("a repeated point or none goes on") {
    Generation g(generation_tokens(), options_of(la::Mode::fast, la::StopPolicy::guarded), kPrompt, 100);
    const Ids point{kBox, 10, 20, kBoxEnd, kNull, kNull}, none{kBox, kNone, kBoxEnd, kNull, kNull, kNull};
    for (la::i64 n = 0; n < 2 * la::kLoopBound; ++n) play(g, {point, none});
    CHECK_FALSE(g.finished());
  }
}

TEST_CASE("generation: a loop found in the last step that fits is a loop") {
  auto options = options_of(la::Mode::fast, la::StopPolicy::guarded);
  options.max_new_tokens = 1 + kBlockTokens * la::kLoopBound;
  Generation g(generation_tokens(), options, kPrompt, 100);
  for (la::i64 n = 0; n <= la::kLoopBound; ++n) play(g, {kBoxBlock});
  CHECK(g.stop_reason() == la::StopReason::loop);
}

TEST_CASE("generation: an answer may be as long as the official worker lets it be") {
  CHECK(la::GenerationOptions{}.max_new_tokens == 2048);
}

TEST_CASE("generation: threads change nothing") {
  la::Team team(4);
  Generation one(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 100), four = one;
  Logits logits(kBoxBlock), same = logits;
  one.accept(logits.matrix());
  four.accept(same.matrix(), &team);
  CHECK(output_of(one) == output_of(four));
  for (std::size_t i = 0; i < one.evidence().size(); ++i)
    CHECK(one.evidence()[i].probability == four.evidence()[i].probability);
}

TEST_CASE("generation: every output token has the evidence of its row") {
  Generation g(generation_tokens(), options_of(la::Mode::hybrid), kPrompt, 100);
  g.accept(Logits(kBoxBlock).set(2, 21, 19).matrix());
  REQUIRE(g.evidence().size() == 6);
  CHECK(g.evidence()[1].probability == doctest::Approx(1));
  CHECK(g.evidence()[2].probability == doctest::Approx(1 / (1 + std::exp(-1.0))));
}

TEST_CASE("generation: the penalty counts prompt and output of earlier steps") {
  auto options = options_of(la::Mode::slow);
  options.sampling.repetition_penalty = 4;
  Generation g(generation_tokens(), options, kPrompt, 100);
  const auto step = [&] { g.accept(Logits({kPrompt[0]}).set(0, 60, 10).set(0, 61, 8).matrix()); };
  step();
  CHECK(g.output()[0] == 60);  // 20 / 4 < 10
  step();
  CHECK(g.output()[1] == 61);  // 10 / 4 < 8
  step();
  CHECK(g.output()[2] == kPrompt[0]);  // 20 / 4 > 10 / 4 and 8 / 4
}

TEST_CASE("generation: a seed repeats a run, others differ") {
  const auto run = [](std::uint64_t seed) {
    auto options = options_of(la::Mode::slow);
    options.sampling.temperature = 1;
    options.sampling.seed = seed;
    options.max_new_tokens = 30;
    Generation g(generation_tokens(), options, kPrompt, 100);
    while (!g.finished()) g.accept(Logits({kWord}).set(0, kWord, 0).matrix());
    return output_of(g);
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("generation: what cannot be decoded is a usage error with the numbers") {
  const auto message = [](la::GenerationOptions options, const Ids& prompt, la::i64 model_max_length) {
    try {
      Generation(generation_tokens(), options, prompt, model_max_length);
    } catch (const la::Error& e) {
      CHECK(e.kind() == la::ErrorKind::usage);
      return std::string(e.what());
    }
    return std::string();
  };
  la::GenerationOptions options;
  CHECK(message(options, kPrompt, 3).empty());
  CHECK(message(options, kPrompt, 2) ==
        "prompt: 2 tokens leave no room for an answer, model_max_length is 2");
  CHECK(message(options, {}, 2) == "prompt: expected at least one token, found none");
  options.max_new_tokens = 0;
  CHECK(message(options, kPrompt, 100) == "max_new_tokens: expected 1 or more, found 0");
  options.max_new_tokens = -5;
  CHECK(message(options, kPrompt, 100) == "max_new_tokens: expected 1 or more, found -5");
  options = {};
  options.sampling.top_p = -1;
  CHECK(message(options, kPrompt, 100).find("top_p") == 0);
}

TEST_CASE("generation: logits of another shape, bad logits and steps after the end are errors") {
  Generation g(generation_tokens(), options_of(la::Mode::fast), kPrompt, 100);
  CHECK_THROWS_WITH_AS(g.accept(Logits({kWord}).matrix()),
                       doctest::Contains("expected 6 dense rows, found [1, 128]"), la::Error);
  CHECK_THROWS_WITH_AS(g.accept(Logits(kBoxBlock).set(3, 5, NAN).matrix()), doctest::Contains("finite"),
                       la::Error);
  la::Team team(2);
  CHECK_THROWS_WITH_AS(g.accept(Logits(kBoxBlock).set(3, 5, NAN).matrix(), &team),
                       doctest::Contains("finite"), la::Error);
  CHECK_THROWS_WITH_AS(g.stop_reason(), doctest::Contains("before the end"), la::Error);
  play(g, {kEndBlock});
  CHECK_THROWS_WITH_AS(g.accept(Logits(kEndBlock).matrix()), doctest::Contains("after the end"), la::Error);
}

}  // namespace la::test::of_generation
