#include "../../la/decoding/sampling.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "../noise.hpp"
#include "../support.hpp"

namespace {

std::vector<float> probabilities_of(std::vector<float> logits, const la::Sampling& sampling = {},
                                    std::vector<std::int32_t> seen = {}) {
  la::to_probabilities(logits, sampling, seen);
  return logits;
}

/// Step 3 as it is written down: a full stable sort and a running sum.
std::vector<bool> nucleus_by_sorting(const std::vector<float>& logits, float top_p) {
  const auto p = probabilities_of(logits);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  std::vector<bool> kept(logits.size(), false);
  double before = 0;
  for (const std::size_t id : order) {
    kept[id] = id == order[0] || float(before) <= top_p;
    before += double(p[id]);
  }
  return kept;
}

std::string message_of(const la::Sampling& sampling) {
  try {
    la::validate(sampling);
  } catch (const la::Error& e) {
    CHECK(e.kind() == la::ErrorKind::usage);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("sampling: the defaults are a plain softmax") {
  const auto p = probabilities_of({1, 2, 3, -1000});
  CHECK(p[0] == doctest::Approx(0.09003057));
  CHECK(p[1] == doctest::Approx(0.24472848));
  CHECK(p[2] == doctest::Approx(0.66524094));
  CHECK(p[3] == 0);
  const auto shifted = probabilities_of({10001, 10002, 10003});
  CHECK(shifted[2] == doctest::Approx(0.66524094));
}

TEST_CASE("sampling: a softmax over a large vocabulary sums to one") {
  const auto p = probabilities_of(la::test::Noise(7).values(152681, 6));
  CHECK(std::accumulate(p.begin(), p.end(), 0.0) == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("sampling: the penalty divides positive logits of seen ids and multiplies the others") {
  la::Sampling sampling;
  sampling.repetition_penalty = 2;
  CHECK(probabilities_of({4, -1, 0, 3}, sampling, {0, 1, 2}) == probabilities_of({2, -2, 0, 3}));
}

TEST_CASE("sampling: temperature divides the logits before the nucleus is cut") {
  la::Sampling sampling;
  sampling.temperature = 0.5f;
  CHECK(probabilities_of({1, 2, -3}, sampling) == probabilities_of({2, 4, -6}));
  sampling.temperature = 4;
  sampling.top_p = 0.6f;
  const auto p = probabilities_of({0, 4, 2}, sampling);  // 0.19 0.51 0.31 after the division
  CHECK(p[0] == 0);
  CHECK(p[2] > 0.3f);
}

TEST_CASE("sampling: the nucleus drops what follows a mass above top_p, the lower of equal ids stays") {
  la::Sampling sampling;
  const auto kept = [&](float top_p) {
    sampling.top_p = top_p;
    const auto p = probabilities_of({1, 1, 1, 1}, sampling);
    return std::vector<bool>{p[0] > 0, p[1] > 0, p[2] > 0, p[3] > 0};
  };
  CHECK(kept(0) == std::vector<bool>{true, false, false, false});
  CHECK(kept(0.24f) == std::vector<bool>{true, false, false, false});
  CHECK(kept(0.25f) == std::vector<bool>{true, true, false, false});
  CHECK(kept(0.5f) == std::vector<bool>{true, true, true, false});
  CHECK(kept(0.76f) == std::vector<bool>{true, true, true, true});
  CHECK(kept(1) == std::vector<bool>{true, true, true, true});
}

TEST_CASE("sampling: the nucleus found by partial selection is the one found by sorting") {
  for (const float top_p : {0.05f, 0.5f, 0.9f, 0.999f, 0.99999f}) {
    auto logits = la::test::Noise(unsigned(1000 * top_p)).values(3000, 5);
    for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = std::round(logits[i]);  // many equal ones
    la::Sampling sampling;
    sampling.top_p = top_p;
    const auto p = probabilities_of(logits, sampling);
    const auto kept = nucleus_by_sorting(logits, top_p);
    for (std::size_t i = 0; i < p.size(); ++i) REQUIRE((p[i] > 0) == kept[i]);
    CHECK(std::accumulate(p.begin(), p.end(), 0.0) == doctest::Approx(1));
  }
}

TEST_CASE("sampling: top_k drops below the k-th value and keeps ties with it") {
  la::Sampling sampling;
  sampling.top_k = 2;
  const auto p = probabilities_of({1, 3, 2, 2, 0}, sampling);
  CHECK(p[0] == 0);
  CHECK(p[2] > 0);
  CHECK(p[2] == p[3]);
  CHECK(p[4] == 0);
  for (const int off : {0, -1, 5, 100}) {
    sampling.top_k = off;
    CHECK(probabilities_of({1, 3, 2, 2, 0}, sampling) == probabilities_of({1, 3, 2, 2, 0}));
  }
}

TEST_CASE("sampling: top_k after a nucleus of fewer ids drops nothing more") {
  la::Sampling sampling;
  sampling.top_p = 0;
  sampling.top_k = 3;
  CHECK(probabilities_of({-5, -3, -4, -6}, sampling) == std::vector<float>{0, 1, 0, 0});
}

TEST_CASE("sampling: logits that are not numbers are an error, never a token") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    CHECK_THROWS_WITH_AS(probabilities_of({0, bad, 1}), doctest::Contains("finite"), la::Error);
  }
  CHECK_THROWS_WITH_AS(probabilities_of({}), doctest::Contains("finite"), la::Error);
  la::Sampling cold;
  cold.temperature = 1e-38f;
  CHECK_THROWS_WITH_AS(probabilities_of({100, 1}, cold), doctest::Contains("overflow"), la::Error);
}

TEST_CASE("sampling: a seen id outside the vocabulary is named") {
  la::Sampling sampling;
  sampling.repetition_penalty = 1.1f;
  CHECK_THROWS_WITH_AS(probabilities_of({0, 1}, sampling, {7}), doctest::Contains("token id 7"), la::Error);
  CHECK_THROWS_WITH_AS(probabilities_of({0, 1}, sampling, {-1}), doctest::Contains("token id -1"), la::Error);
}

TEST_CASE("sampling: values that cannot be used are usage errors that name them") {
  CHECK(message_of({}).empty());
  CHECK(message_of({.temperature = 0.7f, .top_p = 0, .top_k = -1, .repetition_penalty = 0.5f}).empty());
  CHECK(message_of({.temperature = -1}) == "temperature: expected 0 or more, found -1");
  CHECK(message_of({.temperature = INFINITY}).find("temperature") == 0);
  CHECK(message_of({.top_p = -0.5f}) == "top_p: expected 0 or more, found -0.5");
  CHECK(message_of({.top_p = NAN}).find("top_p") == 0);
  CHECK(message_of({.repetition_penalty = 0}) == "repetition_penalty: expected more than 0, found 0");
  CHECK(message_of({.repetition_penalty = NAN}).find("repetition_penalty") == 0);
}

TEST_CASE("sampling: seen ids are kept once, ascending") {
  la::SeenTokens seen;
  for (const std::int32_t id : {5, 2, 5, 9, 2, 0}) seen.add(id);
  CHECK(std::vector<std::int32_t>(seen.ids().begin(), seen.ids().end()) ==
        std::vector<std::int32_t>{0, 2, 5, 9});
}

TEST_CASE("sampling: the most probable ids fall, the lower id first among equals") {
  const std::vector<float> p{0, 0.3f, 0.1f, 0.3f, 0.2f, 0, 0.1f};
  const auto best = la::most_probable<5>(p);
  const std::vector<std::int32_t> ids{best[0].id, best[1].id, best[2].id, best[3].id, best[4].id};
  CHECK(ids == std::vector<std::int32_t>{1, 3, 4, 2, 6});
  CHECK(best[2].probability == 0.2f);
  const std::vector<float> one{0, 0, 0, 0, 0, 1};  // the zeros that a nucleus leaves
  const auto rest = la::most_probable<4>(one);
  CHECK(rest[0].id == 5);
  CHECK(rest[1].id == 0);
  CHECK(rest[2].id == 1);
  CHECK(rest[3].id == 2);
  CHECK_THROWS_WITH_AS(la::most_probable<5>(std::span(p).first(4)), doctest::Contains("found 4"), la::Error);
}

TEST_CASE("sampling: the generator is SplitMix64") {
  la::Random random(1234567);
  CHECK(random.next() == 6457827717110365317u);
  CHECK(random.next() == 3203168211198807973u);
  CHECK(random.next() == 9817491932198370423u);
  CHECK(random.next() == 4593380528125082431u);
}

TEST_CASE("sampling: draws follow the probabilities, repeat for a seed and never give a dropped id") {
  const std::vector<float> p{0, 0.5f, 0, 0.2f, 0.3f, 0};
  la::Random random(3), same(3), other(4);
  std::vector<int> count(p.size());
  bool differs = false;
  for (int i = 0; i < 20000; ++i) {
    const auto drawn = la::draw(p, random);
    CHECK(drawn.id == la::draw(p, same).id);
    differs = differs || drawn.id != la::draw(p, other).id;
    CHECK(drawn.probability == p[std::size_t(drawn.id)]);
    ++count[std::size_t(drawn.id)];
  }
  CHECK(differs);
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(std::abs(double(count[i]) / 20000 - double(p[i])) < 0.015);
}

TEST_CASE("sampling: of equally probable tokens the lower id comes first") {
  const std::vector<float> p{0.1f, 0.4f, 0.1f, 0.4f};
  CHECK(la::most_probable<1>(p)[0].id == 1);
}
