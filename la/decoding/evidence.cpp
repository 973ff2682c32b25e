#include "evidence.hpp"

#include <algorithm>
#include <cmath>

namespace la::inline LA_ABI {
namespace detail {

/// Splits coordinates [first, last] of the row into groups of equal mass, in places [place, place + groups).
inline void spread_side(std::span<const float> row, std::size_t first, std::size_t last, float total,
                        std::size_t place, CoordinateSpread& spread) {
  constexpr std::size_t kGroups = CoordinateSpread::kPoints / 2;
  float side = 0;
  for (std::size_t i = first; i < last; ++i) side += row[i];
  if (!(side > 0)) return;
  std::array<float, kGroups> mass{}, moment{};
  float below = 0;
  for (std::size_t i = first; i < last; ++i) {
    const float middle = below + row[i] / 2;  // of what the coordinate covers of the side's mass
    const std::size_t group = std::min(kGroups - 1, std::size_t(middle / side * float(kGroups)));
    mass[group] += row[i];
    moment[group] += row[i] * float(i);
    below += row[i];
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    if (!(mass[g] > 0)) continue;
    spread.at[place + g] = moment[g] / mass[g];
    spread.weight[place + g] = mass[g] / total;
  }
}

inline float share_of(float part, float other) {
  return part + other > 0 ? part / (part + other) : 0;
}

/// One axis of a box: what a drawn pair of coordinates overlaps of the chosen pair.
struct DrawnSide {
  float weight, overlap, length;
};

/// All pairs of points of two coordinates; the number of them is returned.
inline std::size_t drawn_sides(
    int a, int b, const CoordinateSpread& da, const CoordinateSpread& db,
    std::span<DrawnSide, CoordinateSpread::kPoints * CoordinateSpread::kPoints> out) {
  const float low = float(std::min(a, b)), high = float(std::max(a, b));
  std::size_t count = 0;
  for (std::size_t i = 0; i < CoordinateSpread::kPoints; ++i)
    for (std::size_t j = 0; j < CoordinateSpread::kPoints; ++j) {
      const float weight = da.weight[i] * db.weight[j];
      if (weight <= 0) continue;
      const float from = std::min(da.at[i], db.at[j]), to = std::max(da.at[i], db.at[j]);
      out[count++] = {weight, std::max(0.0f, std::min(to, high) - std::max(from, low)), to - from};
    }
  return count;
}

}  // namespace detail

LA_INLINE Evidence evidence_of(const RowSummary& summary, std::int32_t id, float probability,
                               const SpecialTokens& special) {
  Evidence evidence{probability, 1, {}};
  if (id == special.box_start)
    evidence.object = detail::share_of(summary.box_start, summary.end + summary.null);
  if (!special.is_coord(id)) return evidence;

  const std::span<const float> row = summary.coordinates;
  float total = 0;
  for (const float x : row) total += x;
  const std::size_t chosen = std::size_t(id - special.coord_first), middle = CoordinateSpread::kPoints / 2;
  evidence.object = detail::share_of(total, summary.none);
  CoordinateSpread& spread = evidence.spread;
  spread.at.fill(float(chosen));
  spread.weight[middle] = total > 0 ? row[chosen] / total : 1;
  if (total > 0) {
    detail::spread_side(row, 0, chosen, total, 0, spread);
    detail::spread_side(row, chosen + 1, row.size(), total, middle + 1, spread);
  }
  return evidence;
}

LA_INLINE float expected_iou(std::span<const int, 4> chosen, std::span<const CoordinateSpread, 4> drawn) {
  std::array<detail::DrawnSide, CoordinateSpread::kPoints * CoordinateSpread::kPoints> xs, ys;
  const std::size_t nx = detail::drawn_sides(chosen[0], chosen[2], drawn[0], drawn[2], xs);
  const std::size_t ny = detail::drawn_sides(chosen[1], chosen[3], drawn[1], drawn[3], ys);
  const float area = float(std::abs(chosen[2] - chosen[0])) * float(std::abs(chosen[3] - chosen[1]));
  if (!(area > 0)) return 0;
  float sum = 0;
  for (std::size_t i = 0; i < nx; ++i) {
    float row = 0;
    for (std::size_t j = 0; j < ny; ++j) {
      const float common = xs[i].overlap * ys[j].overlap;
      row += ys[j].weight * common / (area + xs[i].length * ys[j].length - common);
    }
    sum += xs[i].weight * row;
  }
  return std::min(sum, 1.0f);
}

LA_INLINE float expected_closeness(std::span<const int, 2> chosen,
                                   std::span<const CoordinateSpread, 2> drawn) {
  float sum = 0;
  for (std::size_t i = 0; i < CoordinateSpread::kPoints; ++i)
    for (std::size_t j = 0; j < CoordinateSpread::kPoints; ++j) {
      const float weight = drawn[0].weight[i] * drawn[1].weight[j];
      const float distance = std::hypot(drawn[0].at[i] - float(chosen[0]), drawn[1].at[j] - float(chosen[1]));
      sum += weight * std::max(0.0f, 1 - distance / kPointReach);
    }
  return std::min(sum, 1.0f);
}

}  // namespace la::inline LA_ABI
