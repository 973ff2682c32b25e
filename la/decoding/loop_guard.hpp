#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

/// Sees when an answer goes round in circles. A box with the four coordinates of an earlier one of its label is
/// dropped, and so is every later box of that label; what the model says of other labels stays.
class LoopGuard {
 public:
  /// Whether an item stays in the answer. begin: its place among the tokens; coordinates: nothing for what is no box
  bool keeps(std::span<const std::int32_t> label, const std::optional<std::array<int, 4>>& coordinates,
             i64 begin) {
    const std::vector<std::int32_t> name(label.begin(), label.end());
    bool kept = true;
    if (coordinates) {
      if (!boxes_.insert({name, *coordinates}).second) ended_.insert(name);
      kept = !ended_.contains(name);
    }
    if (!kept && dropped_ == 0) first_dropped_ = begin;
    dropped_ = kept ? 0 : dropped_ + 1;
    return kept;
  }

  /// Boxes dropped since the last item that stayed, and where the first of them begins.
  i64 dropped() const noexcept { return dropped_; }
  i64 first_dropped() const noexcept { return first_dropped_; }

 private:
  std::set<std::pair<std::vector<std::int32_t>, std::array<int, 4>>> boxes_;
  std::set<std::vector<std::int32_t>> ended_;  // labels
  i64 dropped_ = 0, first_dropped_ = 0;
};

}  // namespace la::inline LA_ABI
