#include "sampling.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "../../kernels/common/float_bits.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline constexpr float kDroppedLogit = std::numeric_limits<float>::lowest();

/// Folds x into partial results that are combined at the end: a loop the compiler vectorises without reordering,
/// so that every instruction set gives the same bits.
template <class T, class Fold>
T fold_in_lanes(std::span<const float> x, T start, const Fold& fold) {
  std::array<T, 16> lanes;
  lanes.fill(start);
  std::size_t i = 0;
  for (; i + lanes.size() <= x.size(); i += lanes.size())
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) lanes[lane] = fold(lanes[lane], T(x[i + lane]));
  for (std::size_t lane = 0; i < x.size(); ++i, ++lane) lanes[lane] = fold(lanes[lane], T(x[i]));
  T result = start;
  for (const T lane : lanes) result = fold(result, lane);
  return result;
}

inline void require_finite_logits(std::span<const float> logits) {
  bool finite = !logits.empty();
  for (const float x : logits) finite &= is_finite(x);
  require(finite, "logits: expected finite numbers, found infinity, NaN or none");
}

inline float largest_logit(std::span<const float> logits) {
  return fold_in_lanes(logits, logits[0], [](float top, float x) { return x > top ? x : top; });
}

inline void penalise_seen(std::span<float> logits, float penalty, std::span<const std::int32_t> seen) {
  for (const std::int32_t id : seen) {
    require(id >= 0 && std::size_t(id) < logits.size(), "token id ", id, ": outside the vocabulary of ",
            logits.size());
    float& logit = logits[std::size_t(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

inline void softmax_logits(std::span<float> x) {
  const float top = largest_logit(x);
  for (float& value : x) value = std::exp(value - top);
  // In f64: f32 would lose the small ones among 150,000.
  const double sum = fold_in_lanes(x, 0.0, [](double total, double value) { return total + value; });
  require(is_finite(sum), "logits: overflow in f32 after repetition penalty and temperature");
  const float divisor = float(sum);
  for (float& value : x) value /= divisor;
}

struct RankedLogit {
  float logit;
  std::int32_t id;
};

/// Cuts the nucleus if it lies within the logits of `least` and above, which come first in the sorted order.
/// Otherwise returns false and changes nothing.
inline bool keep_nucleus_above(std::span<float> logits, std::span<const float> probabilities, float top_p,
                               float least) {
  const auto comes_later = [](const RankedLogit& a, const RankedLogit& b) {
    return a.logit < b.logit || (a.logit == b.logit && a.id > b.id);
  };
  std::vector<RankedLogit> heap;  // rather than a sort: few ids are usually kept of many
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (logits[i] >= least) heap.push_back({logits[i], std::int32_t(i)});
  std::make_heap(heap.begin(), heap.end(), comes_later);
  auto kept = heap.end();
  double cumulative = 0;
  do {
    std::pop_heap(heap.begin(), kept, comes_later);
    cumulative += double(probabilities[std::size_t((--kept)->id)]);
  } while (kept != heap.begin() && float(cumulative) <= top_p);
  if (float(cumulative) <= top_p && heap.size() < logits.size()) return false;
  std::fill(logits.begin(), logits.end(), kDroppedLogit);
  for (; kept != heap.end(); ++kept) logits[std::size_t(kept->id)] = kept->logit;
  return true;
}

inline void keep_nucleus(std::span<float> logits, float top_p) {
  std::vector<float> probabilities(logits.begin(), logits.end());
  softmax_logits(probabilities);
  const float usual_depth = 8;  // ids below exp(-8) of the best rarely matter
  if (keep_nucleus_above(logits, probabilities, top_p, largest_logit(logits) - usual_depth)) return;
  keep_nucleus_above(logits, probabilities, top_p, std::numeric_limits<float>::lowest());
}

inline void keep_top_k(std::span<float> logits, int k) {
  if (std::size_t(k) >= logits.size()) return;
  std::vector<float> sorted(logits.begin(), logits.end());
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
  const float least = sorted[std::size_t(k) - 1];
  for (float& logit : logits) logit = logit < least ? kDroppedLogit : logit;
}

}  // namespace detail

LA_INLINE void validate(const Sampling& s) {
  if (!is_finite(s.temperature) || s.temperature < 0)
    fail_usage("temperature: expected 0 or more, found ", s.temperature);
  if (is_nan(s.top_p) || s.top_p < 0) fail_usage("top_p: expected 0 or more, found ", s.top_p);
  if (!is_finite(s.repetition_penalty) || s.repetition_penalty <= 0)
    fail_usage("repetition_penalty: expected more than 0, found ", s.repetition_penalty);
}

LA_INLINE void SeenTokens::add(std::int32_t id) {
  const auto place = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (place == ids_.end() || *place != id) ids_.insert(place, id);
}

LA_INLINE void to_probabilities(std::span<float> logits, const Sampling& sampling,
                                std::span<const std::int32_t> seen) {
  detail::require_finite_logits(logits);
  if (sampling.repetition_penalty != 1) detail::penalise_seen(logits, sampling.repetition_penalty, seen);
  if (sampling.temperature > 0)
    for (float& logit : logits) logit /= sampling.temperature;
  if (sampling.top_p < 1) detail::keep_nucleus(logits, sampling.top_p);
  if (sampling.top_k > 0) detail::keep_top_k(logits, sampling.top_k);
  detail::softmax_logits(logits);
}

LA_INLINE Candidate draw(std::span<const float> probabilities, Random& random) {
  double total = 0;
  for (const float p : probabilities) total += double(p);
  const double target = random.uniform() * total;
  double cumulative = 0;
  Candidate drawn;
  for (std::size_t i = 0; i < probabilities.size() && !(target < cumulative); ++i) {
    if (!(probabilities[i] > 0)) continue;  // so that rounding at the end cannot reach a dropped id
    cumulative += double(probabilities[i]);
    drawn = {std::int32_t(i), probabilities[i]};
  }
  return drawn;
}

}  // namespace la::inline LA_ABI
