#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"
#include "../text/special_tokens.hpp"
#include "sampling.hpp"

namespace la::inline LA_ABI {

/// What reading an answer needs of one row of probabilities.
struct RowSummary {
  static constexpr std::size_t kBest = 5;
  std::array<Candidate, kBest> best;  ///< falling, the lower id first among equals
  float box_start = 0, box_end = 0, ref_start = 0, none = 0, null = 0, end = 0;  ///< of these special tokens
  std::span<const float> coordinates;  ///< of all of them in their order; the row's memory
};

/// error: a special token is outside the vocabulary, which has fewer than kBest tokens
RowSummary summarize(std::span<const float> probabilities, const SpecialTokens& special);

// The same as floats, for a backend that summarises where the probabilities are (Ops::summarize): the ids of `best`, which
// floats hold exactly, their probabilities, and those of summary_ids.

/// The ids whose probabilities a summary holds.
/// error: as summarize
std::vector<std::int32_t> summary_ids(const SpecialTokens& special, i64 vocabulary);
constexpr i64 summary_floats(i64 ids) noexcept {
  return 2 * i64(RowSummary::kBest) + ids;
}
/// Largest vocabulary whose ids floats hold.
inline constexpr i64 kMaxSummaryVocabulary = i64{1} << 24;
/// Writes a row's summary.    shape: out [summary_floats(ids)]
void write_summary(std::span<const float> probabilities, std::span<const std::int32_t> ids, float* out);
/// The summary that was written for summary_ids.
RowSummary read_summary(std::span<const float> written);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "row_summary.cpp"
#endif
