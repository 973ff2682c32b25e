#pragma once

#include <algorithm>

#include "../../kernels/kernels.hpp"
#include "../core/parallel.hpp"
#include "../core/team.hpp"

// How a product y = x W^T is dealt to the workers of a region.
namespace la::inline LA_ABI::detail {

/// A part of y = x W^T.
struct OutputTile {
  i64 m0, m, n0, n;
};

/// How y = x W^T is cut: an item is a panel; only when there are more workers than panels are rows split too.
class OutputTiles {
 public:
  OutputTiles(i64 rows, i64 outputs, i64 inputs, i64 workers) noexcept
      : rows_(rows),
        outputs_(outputs),
        panels_((outputs_ + kernels::kPanel - 1) / kernels::kPanel),
        row_parts_(std::clamp<i64>(workers / panels_, 1, std::max<i64>(rows, 1))),
        min_items_(min_panels(rows * inputs * kernels::kPanel, workers)),
        work_(rows * inputs * outputs) {}

  i64 row_parts() const noexcept { return row_parts_; }
  i64 items() const noexcept { return panels_ * row_parts_; }
  i64 min_items() const noexcept { return min_items_; }
  i64 work() const noexcept { return work_; }  // multiplications
  template <class Body>
  Phase phase(const Body& body) const noexcept {
    return Phase(items(), min_items_, body);
  }

  template <class Multiply>
  void each(i64 begin, i64 end, const Multiply& multiply) const {
    if (row_parts_ == 1) return multiply(tile(0, rows_, begin, end));
    for (i64 i = begin; i < end; ++i) {
      const auto [m0, m1] = share(rows_, i % row_parts_, row_parts_);
      multiply(tile(m0, m1, i / row_parts_, i / row_parts_ + 1));
    }
  }

 private:
  /// Of a piece: some 20 microseconds, below which a call costs more than waiting for it, but work for all workers.
  i64 min_panels(i64 panel_work, i64 workers) const noexcept {
    constexpr i64 piece_work = 1 << 22;  // multiplications
    return std::clamp<i64>(std::min(piece_work / std::max<i64>(panel_work, 1), panels_ / (4 * workers)), 1,
                           8);
  }

  OutputTile tile(i64 m0, i64 m1, i64 p0, i64 p1) const noexcept {
    const i64 n0 = p0 * kernels::kPanel;
    return {m0, m1 - m0, n0, std::min(p1 * kernels::kPanel, outputs_) - n0};
  }

  const i64 rows_, outputs_, panels_, row_parts_, min_items_, work_;
};

/// How the wide layer of a feed-forward network is cut when it has many rows: in blocks that stay in L2 from the product to
/// the codes of the next one, so their columns are whole groups of any format.
class WideBlocks {
 public:
  /// From how many rows on: vision's 64 are 1.03 (VNNI) and 1.05 times (AMX) as fast so, its 144 1.07 and 1.10.
  static constexpr i64 kManyRows = 64;
  static constexpr i64 kColumns = 128;
  static constexpr i64 kRows = 264;  ///< two blocks of the kernels' rows
  static constexpr i64 kFloats = kRows * kColumns;
  static constexpr i64 kScratch = 2 * kFloats;  ///< of a worker, behind the kernels': gate and up

  WideBlocks(i64 rows, i64 width) noexcept
      : rows_(rows), width_(width), row_blocks_((rows + kRows - 1) / kRows) {}

  i64 items() const noexcept { return (width_ + kColumns - 1) / kColumns * row_blocks_; }
  /// Neighbours share their weights.
  OutputTile operator[](i64 i) const noexcept {
    const auto [m0, m1] = share(rows_, i % row_blocks_, row_blocks_);
    const i64 n0 = i / row_blocks_ * kColumns;
    return {m0, m1 - m0, n0, std::min(kColumns, width_ - n0)};
  }

 private:
  const i64 rows_, width_, row_blocks_;
};

}  // namespace la::inline LA_ABI::detail
