#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// How a row of logits becomes a token. The defaults are greedy and leave the logits alone.
struct Sampling {
  float temperature = 0;         ///< 0 takes the most probable token, above 0 one is drawn
  float top_p = 1;               ///< nucleus; 1 and above is off, 0 keeps one token
  int top_k = 0;                 ///< 0 and below is off
  float repetition_penalty = 1;  ///< 1 is off
  std::uint64_t seed = 0;

  /// Whether probabilities are the plain softmax of the logits.
  bool leaves_logits() const noexcept {
    return temperature <= 0 && top_p >= 1 && top_k <= 0 && repetition_penalty == 1;
  }
};

/// error: usage, naming the value that cannot be used
void validate(const Sampling& sampling);

/// The distinct ids of prompt and output, which the repetition penalty acts on.
class SeenTokens {
 public:
  void add(std::int32_t id);
  /// ascending
  std::span<const std::int32_t> ids() const noexcept { return ids_; }

 private:
  std::vector<std::int32_t> ids_;
};

/// Turns logits into probabilities in place, in f32 and in this order:
///   1. repetition penalty r: for every seen id, l > 0 ? l / r : l * r
///   2. temperature t > 0: l / t
///   3. top_p: by falling logit (lower id first) an id is dropped when the probability before it exceeds
///      top_p; dropped logits become the lowest float
///   4. top_k: logits below the k-th largest are dropped
///   5. softmax
/// error: a logit is not finite, a seen id is outside the vocabulary
/// cost: O(V), with top_p O(V + kept log V)
void to_probabilities(std::span<float> logits, const Sampling& sampling, std::span<const std::int32_t> seen);

struct Candidate {
  std::int32_t id = -1;
  float probability = 0;
};

/// The N most probable ids, falling; among equals the lower id comes first.
/// error: fewer than N probabilities
template <std::size_t N>
std::array<Candidate, N> most_probable(std::span<const float> probabilities) {
  require(probabilities.size() >= N, "vocabulary: expected at least ", N, " tokens, found ",
          probabilities.size());
  std::array<Candidate, N> best;
  best.fill({-1, -1.0f});  // below every probability
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (!(probabilities[i] > best[N - 1].probability)) continue;
    std::size_t place = N - 1;
    for (; place > 0 && probabilities[i] > best[place - 1].probability; --place)
      best[place] = best[place - 1];
    best[place] = {std::int32_t(i), probabilities[i]};
  }
  return best;
}

/// A small generator that gives the same numbers on every platform.
/// source: SplitMix64, https://prng.di.unimi.it/splitmix64.c
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// In [0, 1), all 53 bits random.
  double uniform() noexcept { return double(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

/// Draws an id by its probability, with one number of `random`.
Candidate draw(std::span<const float> probabilities, Random& random);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "sampling.cpp"
#endif
