#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "../core/inline.hpp"
#include "../text/special_tokens.hpp"
#include "row_summary.hpp"

// What the model's distributions say of an answer, beside the tokens themselves.
namespace la::inline LA_ABI {

/// A distribution over the coordinates, in few points: the chosen one, and on each side of it the others in three groups
/// of equal mass, each at its mean.
struct CoordinateSpread {
  static constexpr std::size_t kPoints = 7;
  std::array<float, kPoints> at{};      ///< thousandths
  std::array<float, kPoints> weight{};  ///< sum 1; all 0 for a token that is no coordinate
};

/// What the row of a token said.
struct Evidence {
  float probability = 0;  ///< of the token
  /// That there is something: at a coordinate, coordinates against none; at `<box>`, a box against the end.
  float object = 1;
  CoordinateSpread spread;
};

/// The evidence of a token that was chosen from a row of probabilities.
Evidence evidence_of(const RowSummary& row, std::int32_t id, float probability, const SpecialTokens& special);

/// Expected intersection over union of a box with a box whose four coordinates are drawn independently: the sum over all
/// combinations of the points. Corners may come unordered. cost: 7^4 terms at most
/// shape: chosen x1 y1 x2 y2 in thousandths, and the spread of each
float expected_iou(std::span<const int, 4> chosen, std::span<const CoordinateSpread, 4> drawn);

/// Thousandths of the picture's sides at which a point is as good as missed.
inline constexpr float kPointReach = 100;

/// Expected closeness of a point to a drawn one: max(0, 1 - distance / kPointReach).
/// shape: chosen x y
float expected_closeness(std::span<const int, 2> chosen, std::span<const CoordinateSpread, 2> drawn);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "evidence.cpp"
#endif
