#pragma once

#include <cmath>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "../../la/ops/block_feed.hpp"

// Blocks whose rows say anything: more than a model would, and next to every threshold.
namespace la::test {

inline SpecialTokens block_tokens() {
  SpecialTokens s;
  s.box_start = 100, s.box_end = 101, s.ref_start = 102, s.ref_end = 103;
  s.coord_first = 6, s.coord_last = 86;
  s.none = 3, s.null = 104, s.end = 105, s.switch_to_ar = 106, s.mask = 107;
  return s;
}

inline constexpr i64 kCaseFloats = summary_floats(6) + 3;  // some coordinates, which no block is read by

/// Summaries of so many blocks, [6 count, kCaseFloats].
inline std::vector<float> block_cases(i64 count, unsigned seed) {
  // The most probable ids of a block, 0: any.
  static constexpr std::int32_t kPatterns[][6] = {
      {0, 0, 0, 0, 0, 0},          {100, 0, 0, 0, 0, 0},       {100, 9, 9, 9, 9, 101},
      {100, 9, 80, 101, 104, 104}, {100, 9, 101, 104, 9, 9},   {100, 3, 9, 9, 104, 104},
      {102, 0, 0, 0, 0, 0},        {102, 111, 103, 104, 9, 9}, {102, 111, 9, 9, 103, 103},
      {111, 103, 103, 104, 9, 9},  {103, 103, 104, 9, 9, 9},   {103, 104, 9, 9, 9, 9},
      {111, 104, 9, 9, 9, 9},      {104, 9, 9, 9, 9, 9},       {105, 9, 9, 9, 9, 9}};
  static constexpr std::int32_t kIds[] = {3,   5,   6,   7,   40,  85,  86,  87,  99,  100,
                                          101, 102, 103, 104, 105, 107, 110, 111, 112, -1};
  static constexpr float kThresholds[] = {0.7f, 0.6f, 0.2f, 0.1f, 0.1f, 0.05f};
  std::mt19937 random(seed);
  const auto one_of = [&](std::size_t n) { return std::size_t(random() % n); };
  std::vector<float> all;
  for (i64 b = 0; b < count; ++b) {
    const auto& pattern = kPatterns[one_of(std::size(kPatterns))];
    const bool likely = random() % 2 == 0;  // that all that a box or a ref asks of a row is there
    for (const std::int32_t first : pattern) {
      float row[kCaseFloats] = {};
      for (std::size_t i = 0; i < RowSummary::kBest; ++i) {
        row[i] = float(i == 0 && first != 0 ? first : kIds[one_of(std::size(kIds))]);
        row[RowSummary::kBest + i] = 0.5f / float(1 + i);
      }
      for (std::size_t i = 0; i < 6; ++i) {
        const float at = kThresholds[one_of(std::size(kThresholds))];
        const float near[] = {std::nextafter(at, 0.0f), at, std::nextafter(at, 1.0f), likely ? 0.8f : 0.0f};
        row[2 * RowSummary::kBest + i] = near[one_of(4)];
      }
      all.insert(all.end(), row, row + kCaseFloats);
    }
  }
  return all;
}

/// A feed in the host's memory.
struct HostFeed {
  explicit HostFeed(i64 blocks)
      : ids(std::size_t(kFeedRows * blocks), -7),
        angles(ids.size(), -7),
        wanted(std::size_t(kBlockSize * blocks), -7),
        visible(ids.size()),
        wanted_visible(wanted.size()) {}
  BlockFeed view() {
    return {Matrix(ids.data(), {i64(ids.size()), 1}), angles, visible, wanted, wanted_visible};
  }
  std::vector<float> ids;
  std::vector<std::int32_t> angles, wanted;
  std::vector<kernels::KeyMask> visible, wanted_visible;
};

}  // namespace la::test
