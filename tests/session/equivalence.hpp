#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../../la/session/session.hpp"

// The gate that batching must pass: whatever is shared and whatever runs beside it, an answer is the one it would be
// alone, in every token id and in every bit of every logit.
namespace la::equivalence {

/// One question about one picture.
struct Case {
  const Image* image;
  PromptText question;
  GenerationOptions generation;
};

/// What one answer was made of.
struct Trace {
  std::vector<std::int32_t> ids;
  std::vector<std::uint64_t> steps;  ///< a hash of the bits of each step's logits
  StopReason stop = StopReason::eos;
  std::string error;

  bool operator==(const Trace&) const = default;
};

inline std::uint64_t hash_bits(ConstMatrix logits) {
  std::uint64_t hash = std::uint64_t(logits.shape[0]);
  for (i64 i = 0; i < logits.shape[0]; ++i)
    for (i64 j = 0; j < logits.shape[1]; ++j) {
      hash = (hash ^ std::bit_cast<std::uint32_t>(logits(i, j))) * 0xff51afd7ed558ccdu;
      hash ^= hash >> 32;
    }
  return hash;
}

/// Runs the cases in one batch.
inline std::vector<Trace> run(Session& session, std::span<const Case> cases, const BatchOptions& options) {
  std::vector<Trace> traces(cases.size());
  std::vector<Request> requests(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    requests[i].images.push_back(*cases[i].image);
    requests[i].question = cases[i].question;
    requests[i].options.generation = cases[i].generation;
    requests[i].options.on_logits = [&traces, i](ConstMatrix logits) {
      traces[i].steps.push_back(hash_bits(logits));
    };
  }
  const std::vector<Result> results = session.batch(requests, options);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    traces[i].ids = results[i].token_ids;
    traces[i].stop = results[i].stop;
    traces[i].error = results[i].error;
  }
  return traces;
}

/// Each case by itself, with nothing shared.
inline std::vector<Trace> run_alone(Session& session, std::span<const Case> cases) {
  BatchOptions alone;
  alone.batch_size = 1;
  alone.share_vision = alone.share_prefix = false;
  return run(session, cases, alone);
}

struct Tier {
  std::string name;
  std::vector<Case> cases;
  BatchOptions options;
};

/// shape: two pictures or more, two questions or more
inline std::vector<Tier> tiers(std::span<const Image> images, std::span<const PromptText> questions,
                               i64 max_tokens, float penalty) {
  GenerationOptions plain;
  plain.max_new_tokens = max_tokens;
  plain.sampling.repetition_penalty = penalty;
  const auto image = [&](std::size_t i) { return &images[i % images.size()]; };
  const auto question = [&](std::size_t i) { return questions[i % questions.size()]; };
  BatchOptions one, eight, three;
  one.batch_size = 1;
  three.batch_size = 3;

  Tier single{"batch of 1", {}, one}, same{"identical rows", {}, eight},
      many{"one picture, many questions", {}, eight}, different{"different pictures and lengths", {}, three},
      ragged{"modes and seeds mixed", {}, three};
  for (std::size_t i = 0; i < 3; ++i) single.cases.push_back({image(i), question(i), plain});
  for (std::size_t i = 0; i < 4; ++i) same.cases.push_back({image(0), question(0), plain});
  for (std::size_t i = 0; i < questions.size(); ++i) many.cases.push_back({image(1), question(i), plain});
  constexpr Mode kModes[] = {Mode::hybrid, Mode::slow, Mode::fast};
  for (std::size_t i = 0; i < 7; ++i) {
    different.cases.push_back({image(i), question(i + 1), plain});
    different.cases.back().generation.max_new_tokens = 1 + max_tokens * i64(i) / 6;
    ragged.cases.push_back({image(i), question(i / 2), plain});
    GenerationOptions& mixed = ragged.cases.back().generation;
    mixed.mode = kModes[i % 3];
    mixed.stop = i % 2 == 0 ? StopPolicy::official : StopPolicy::guarded;
    if (i % 4 != 0) mixed.sampling.temperature = 0.5f + 0.2f * float(i);
    if (i % 4 == 2) mixed.sampling.top_p = 0.9f;
    mixed.sampling.seed = 1000 + i;
  }
  return {single, same, many, different, ragged};
}

/// Which cases of the tier, in this order and in the reverse, differ from `want`; empty when none does.
inline std::vector<std::string> differences(Session& session, const Tier& tier,
                                            const std::vector<Trace>& want) {
  std::vector<std::string> found;
  for (const bool reverse : {false, true}) {
    std::vector<Case> cases = tier.cases;
    if (reverse) std::reverse(cases.begin(), cases.end());
    std::vector<Trace> got = run(session, cases, tier.options);
    if (reverse) std::reverse(got.begin(), got.end());
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (got[i] == want[i]) continue;
      const auto [a, b] =
          std::mismatch(got[i].steps.begin(), got[i].steps.end(), want[i].steps.begin(), want[i].steps.end());
      found.push_back(tier.name + (reverse ? ", reversed" : "") + ", case " + std::to_string(i) +
                      ": the token ids are " + (got[i].ids == want[i].ids ? "equal" : "different") +
                      ", the logits differ from step " + std::to_string(a - got[i].steps.begin()) + " of " +
                      std::to_string(want[i].steps.size()) +
                      (got[i].error.empty() ? "" : "; " + got[i].error));
    }
  }
  return found;
}

}  // namespace la::equivalence
