#include "block.hpp"

#include <algorithm>

#include "../../kernels/block_rules.hpp"

namespace la::inline LA_ABI {
namespace detail {

using kernels::kBoxCandidates, kernels::kBoxEnd, kernels::kEmptyBoxEnd, kernels::kEmptyBoxNone,
    kernels::kEmptyBoxNull, kernels::kEmptyBoxStart, kernels::kRefStart;
inline constexpr float kSureCoordinate = 0.9f;         // below it a coordinate may be in doubt ...
inline constexpr std::int32_t kCoordinateSpread = 60;  // ... if the candidates lie further apart than this
inline constexpr std::int32_t kDoubtfulCoordinate = 0;

inline bool reads_as_empty_box(const BlockRows& rows) {
  return rows[0].box_start >= kEmptyBoxStart && rows[1].none > kEmptyBoxNone &&
         rows[2].box_end > kEmptyBoxEnd && rows[3].null > kEmptyBoxNull && rows[4].null > kEmptyBoxNull;
}

/// The most probable coordinate of a row; nothing when no candidate is one.
inline std::optional<Candidate> read_coordinate(const BlockRow& row, const SpecialTokens& special,
                                                Mode mode) {
  std::optional<Candidate> chosen;
  std::int32_t lowest = special.coord_last, highest = special.coord_first;
  for (std::size_t i = 0; i < std::size_t{kBoxCandidates}; ++i) {
    const Candidate& candidate = row.best[i];
    if (!special.is_coord(candidate.id)) continue;
    if (!chosen) chosen = candidate;
    lowest = std::min(lowest, candidate.id);
    highest = std::max(highest, candidate.id);
  }
  const bool doubtful =
      chosen && chosen->probability < kSureCoordinate && highest - lowest > kCoordinateSpread;
  if (mode == Mode::hybrid && doubtful) chosen->id = kDoubtfulCoordinate;
  return chosen;
}

inline std::optional<BlockTokens> read_box(const BlockRows& rows, const SpecialTokens& special, Mode mode) {
  if (reads_as_empty_box(rows))
    return BlockTokens{{{special.box_start, rows[0].box_start},
                        {special.none, rows[1].none},
                        {special.box_end, rows[2].box_end},
                        {special.null, rows[3].null},
                        {special.null, rows[4].null},
                        {special.null, rows[5].null}}};
  if (rows[5].box_end + rows[5].null + rows[5].end < kBoxEnd) return {};
  BlockTokens box;
  box.front() = {special.box_start, rows[0].box_start};
  box.back() = {special.box_end, rows[5].box_end};
  for (std::size_t i = 1; i <= 4; ++i) {
    const auto coordinate = read_coordinate(rows[i], special, mode);
    if (!coordinate) return {};
    box[i] = *coordinate;
  }
  return box;
}

inline std::optional<BlockTokens> read_ref(const BlockRows& rows, const SpecialTokens& special) {
  if (rows[0].ref_start < kRefStart) return {};
  BlockTokens ref;
  ref.front() = {special.ref_start, rows[0].ref_start};
  for (std::size_t i = 1; i < ref.size(); ++i) {
    const auto& best = rows[i].best;
    const auto word =
        std::find_if(best.begin(), best.end(), [&](const Candidate& c) { return !special.is_coord(c.id); });
    if (word == best.end()) return {};
    ref[i] = *word;
  }
  return ref;
}

inline BlockOutput text_output(const BlockTokens& tokens, const SpecialTokens& special) {
  const auto cut =
      std::find_if(tokens.begin(), tokens.end(), [&](const Candidate& c) { return c.id == special.null; });
  BlockOutput output{BlockType::text, {tokens.begin(), cut}};
  const std::size_t n = output.tokens.size();
  if (n >= 2 && output.tokens[n - 1].id == special.ref_end && output.tokens[n - 2].id == special.ref_end)
    output.tokens.pop_back();
  return output;
}

}  // namespace detail

LA_INLINE std::optional<BlockTokens> read_block(const BlockRows& rows, const SpecialTokens& special,
                                                Mode mode) {
  if (const auto box = detail::read_box(rows, special, mode)) return box;
  return detail::read_ref(rows, special);
}

LA_INLINE BlockOutput classify_block(const BlockTokens& t, const SpecialTokens& special, Mode mode) {
  const std::int32_t first = t[0].id;
  if (first == special.null || first == special.end)
    return {BlockType::end, {{special.end, t[0].probability}}};
  if (first != special.box_start) return detail::text_output(t, special);
  if (t[1].id == special.none)
    return {BlockType::empty_box, {t[0], t[1], {special.box_end, t[2].probability}}};

  std::size_t coords = 0;  // leading; the last token never counts as one
  while (coords < 4 && special.is_coord(t[1 + coords].id)) ++coords;
  if (coords == 4 && t[5].id == special.box_end) return {BlockType::coord_box, {t.begin(), t.end()}};
  if (coords == 2 && t[3].id == special.box_end) return {BlockType::point_box, {t.begin(), t.begin() + 4}};
  if (mode != Mode::hybrid) return {BlockType::coord_box, {t.begin(), t.end()}};
  return {BlockType::error_box, {t.begin(), t.begin() + 1 + std::ptrdiff_t(coords)}};
}

LA_INLINE BlockOutput decode_block(const BlockRows& rows, const SpecialTokens& special, Mode mode) {
  if (const auto read = read_block(rows, special, mode)) return classify_block(*read, special, mode);
  BlockTokens own;
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = rows[i].token;
  return classify_block(own, special, mode);
}

}  // namespace la::inline LA_ABI
