#include <algorithm>
#include <vector>

#include "../../la/decoding/generation.hpp"
#include "../support.hpp"

// Slow mode with drafts gives what it gives without, in no more passes.
namespace {

using Ids = std::vector<std::int32_t>;
using la::Generation;
using la::i64;

constexpr i64 kVocabulary = 64;

la::SpecialTokens speculation_tokens() {
  la::SpecialTokens s;
  s.box_start = 1, s.box_end = 2, s.ref_start = 3, s.ref_end = 4, s.none = 5, s.null = 6, s.end = 7;
  s.coord_first = 20, s.coord_last = 60;
  return s;
}

/// A model that is a function of all tokens before. Its windows say what `truth` says, each row with this probability.
class ScriptedModel {
 public:
  ScriptedModel(std::uint64_t seed, double holds) : seed_(seed), holds_(holds) {}

  std::vector<float> row_after(std::span<const std::int32_t> tokens) const {
    std::uint64_t hash = seed_;
    for (const std::int32_t id : tokens) hash = la::Random(hash ^ std::uint64_t(id)).next();
    la::Random random(hash);
    std::vector<float> row(kVocabulary);
    for (float& x : row) x = float(random.uniform() * 4);
    row[7] -= 4;  // long answers
    row[6] -= 9;
    return row;
  }

  /// The rows of a step.
  std::vector<float> step(const Generation& g, const Ids& truth) {
    std::vector<float> rows;
    const auto input = g.input();
    const i64 tokens = g.next_step() == Generation::Step::ar ? 1 : g.drafts() + 1;
    for (i64 back = tokens; back > 0; --back) {
      const auto row = row_after(input.first(input.size() - std::size_t(back - 1)));
      rows.insert(rows.end(), row.begin(), row.end());
    }
    if (g.next_step() == Generation::Step::draft)
      for (std::size_t j = 0; j < 6; ++j) {
        std::vector<float> row(kVocabulary, 0.0f);
        const std::size_t place = input.size() + j;
        const bool right = place < truth.size() && random_.uniform() < holds_;
        row[std::size_t(right ? truth[place] : 8 + std::int32_t(random_.next() % 8))] = 50;
        rows.insert(rows.end(), row.begin(), row.end());
      }
    return rows;
  }

 private:
  std::uint64_t seed_;
  double holds_;
  la::Random random_{99};
};

struct Played {
  Ids sequence;
  std::vector<float> probabilities;
  la::StopReason stop;
  i64 passes, drafted, accepted;
  double cost = 0;
};

Played play(la::GenerationOptions options, ScriptedModel model, const Ids& truth, const la::PassCost& cost,
            i64 model_max_length = 100000) {
  options.mode = la::Mode::slow;
  Generation g(speculation_tokens(), options, {8, 9, 10}, model_max_length, cost);
  double paid = 0;
  while (!g.finished()) {
    std::vector<float> rows = model.step(g, truth);
    const i64 count = i64(rows.size()) / kVocabulary;
    paid += g.forward_steps() == 0 ? 1 : cost.of(count);
    g.accept(la::Matrix(rows.data(), {count, kVocabulary}));
    REQUIRE(g.sequence().size() <= g.input().size());
  }
  Played played{{g.sequence().begin(), g.sequence().end()},
                {},
                g.stop_reason(),
                g.forward_steps(),
                g.drafted(),
                g.accepted(),
                paid};
  for (const la::Evidence& e : g.evidence()) played.probabilities.push_back(e.probability);
  return played;
}

const la::PassCost kCheap{1e9, 1};  // rows cost nothing

/// With drafts and without.
std::pair<Played, Played> both(const la::GenerationOptions& options, std::uint64_t seed, double holds,
                               const la::PassCost& cost, i64 model_max_length = 100000) {
  la::GenerationOptions plain = options;
  plain.speculate = false;
  const Played without = play(plain, {seed, 0}, {}, cost, model_max_length);
  const Played with = play(options, {seed, holds}, without.sequence, cost, model_max_length);
  CHECK(without.drafted == 0);
  CHECK(without.passes == i64(without.probabilities.size()));
  CHECK(with.sequence == without.sequence);
  CHECK(with.probabilities == without.probabilities);
  CHECK(with.stop == without.stop);
  CHECK(with.passes <= without.passes);
  CHECK(with.accepted <= with.drafted);
  return {with, without};
}

}  // namespace

TEST_CASE(
    "speculation: the same tokens, probabilities and end, whatever the drafts, the sampling and the seed") {
  la::GenerationOptions options;
  i64 accepted = 0, passes = 0, tokens = 0;
  for (const float temperature : {0.0f, 0.7f, 1.5f})
    for (const float penalty : {1.0f, 1.1f, 3.0f})
      for (const float top_p : {1.0f, 0.6f})
        for (const double holds : {0.0, 0.5, 0.9, 1.0})
          for (std::uint64_t seed = 0; seed < 4; ++seed) {
            CAPTURE(temperature);
            CAPTURE(penalty);
            CAPTURE(top_p);
            CAPTURE(holds);
            CAPTURE(seed);
            options.sampling.temperature = temperature;
            options.sampling.repetition_penalty = penalty;
            options.sampling.top_p = top_p;
            options.sampling.seed = seed;
            options.stop = seed % 2 ? la::StopPolicy::guarded : la::StopPolicy::official;
            options.max_new_tokens = 90;
            const auto [with, without] =
                both(options, seed + 100, holds, seed == 3 ? la::PassCost{} : kCheap);
            accepted += with.accepted;
            passes += with.passes;
            tokens += without.passes;
          }
  CHECK(accepted > 3000);
  CHECK(passes < tokens * 2 / 3);
}

TEST_CASE("speculation: drafts that always hold save four of five passes and more") {
  la::GenerationOptions options;
  for (const i64 limit : {60, 200}) {
    options.max_new_tokens = limit;
    const auto [with, without] = both(options, 1, 1, {});
    CHECK(with.accepted == with.drafted);
    CHECK(4 * with.passes <= without.passes);
    CHECK(with.cost * 2.2 < without.cost);
  }
}

TEST_CASE("speculation: drafts that never hold cost a bounded share of the answer") {
  la::GenerationOptions options;
  for (const i64 limit : {20, 100, 1000}) {
    options.max_new_tokens = limit;
    const auto [with, without] = both(options, 1, 0, {});
    CHECK(with.accepted == 0);
    CHECK(with.cost <= without.cost * 1.04 + 2);
  }
}

TEST_CASE("speculation: no draft reaches past the length limits") {
  la::GenerationOptions options;
  for (i64 limit = 1; limit < 20; ++limit) {
    options.max_new_tokens = limit;
    both(options, 5, 1, kCheap);
    options.max_new_tokens = 1000;
    both(options, 5, 1, kCheap, 3 + limit);
  }
}

TEST_CASE("speculation: switched off, in other modes, and where rows cost too much there are no drafts") {
  la::GenerationOptions options;
  const auto first = [&](const la::PassCost& cost) {
    return Generation(speculation_tokens(), options, {8}, 100, cost).next_step();
  };
  options.mode = la::Mode::slow;
  CHECK(first({}) == Generation::Step::draft);
  CHECK(first({10, 8}) == Generation::Step::ar);
  CHECK(first({200, 8}) == Generation::Step::draft);
  options.speculate = false;
  CHECK(first({}) == Generation::Step::ar);
  options.speculate = true;
  options.mode = la::Mode::hybrid;
  CHECK(first({}) == Generation::Step::block);
}
