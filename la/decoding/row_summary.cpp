#include "row_summary.hpp"

#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Those of RowSummary, in its order.
inline std::array<std::int32_t, 6> named_ids(const SpecialTokens& s) noexcept {
  return {s.box_start, s.box_end, s.ref_start, s.none, s.null, s.end};
}

inline void require_in_vocabulary(const SpecialTokens& special, i64 vocabulary) {
  const auto check = [&](std::int32_t id) {
    require(id >= 0 && id < vocabulary, "token id ", id, ": outside the vocabulary of ", vocabulary);
  };
  for (const std::int32_t id : named_ids(special)) check(id);
  check(special.coord_first);
  check(special.coord_last);
}

inline void name(std::span<const float, 6> p, RowSummary& row) noexcept {
  row.box_start = p[0], row.box_end = p[1], row.ref_start = p[2];
  row.none = p[3], row.null = p[4], row.end = p[5];
}

}  // namespace detail

LA_INLINE RowSummary summarize(std::span<const float> probabilities, const SpecialTokens& special) {
  detail::require_in_vocabulary(special, i64(probabilities.size()));
  RowSummary row;
  row.best = most_probable<RowSummary::kBest>(probabilities);
  std::array<float, 6> named;
  auto out = named.begin();
  for (const std::int32_t id : detail::named_ids(special)) *out++ = probabilities[std::size_t(id)];
  detail::name(named, row);
  row.coordinates = probabilities.subspan(std::size_t(special.coord_first),
                                          std::size_t(special.coord_last - special.coord_first) + 1);
  return row;
}

LA_INLINE std::vector<std::int32_t> summary_ids(const SpecialTokens& special, i64 vocabulary) {
  detail::require_in_vocabulary(special, vocabulary);
  require(vocabulary >= i64(RowSummary::kBest) && vocabulary <= kMaxSummaryVocabulary,
          "vocabulary: expected ", RowSummary::kBest, " to ", kMaxSummaryVocabulary, " tokens, found ",
          vocabulary);
  std::vector<std::int32_t> ids;
  for (const std::int32_t id : detail::named_ids(special)) ids.push_back(id);
  for (std::int32_t id = special.coord_first; id <= special.coord_last; ++id) ids.push_back(id);
  return ids;
}

LA_INLINE void write_summary(std::span<const float> probabilities, std::span<const std::int32_t> ids,
                             float* out) {
  for (const Candidate& c : most_probable<RowSummary::kBest>(probabilities)) {
    out[0] = float(c.id);
    out[RowSummary::kBest] = c.probability;
    ++out;
  }
  out += RowSummary::kBest;
  for (const std::int32_t id : ids) *out++ = probabilities[std::size_t(id)];
}

LA_INLINE RowSummary read_summary(std::span<const float> written) {
  RowSummary row;
  for (std::size_t i = 0; i < RowSummary::kBest; ++i)
    row.best[i] = {std::int32_t(written[i]), written[RowSummary::kBest + i]};
  written = written.subspan(2 * RowSummary::kBest);
  detail::name(written.first<6>(), row);
  row.coordinates = written.subspan(6);
  return row;
}

}  // namespace la::inline LA_ABI
