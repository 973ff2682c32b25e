#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "ops.hpp"

namespace la::detail {

/// Size and checks of the parts of a Weight, shared by the backends.
struct Stacked {
  i64 outputs = 0, inputs = 0;
  bool biased = false;

  explicit Stacked(std::span<const WeightPart> parts) {
    for (const WeightPart& part : parts) {
      const StoredTensor& w = *part.weight;
      const i64 n = w.shape.empty() ? 0 : w.shape[0];
      require(n > 0 && w.size() > 0, w.file->path(), ": tensor ", w.name, ": expected a matrix, found ", w.describe());
      const i64 k = w.size() / n;
      require(inputs == 0 || k == inputs, w.file->path(), ": tensor ", w.name, ": expected ", inputs,
              " inputs like the tensors it is stacked with, found ", w.describe());
      require(!part.bias || part.bias->size() == n, w.file->path(), ": tensor ",
              part.bias ? part.bias->name : w.name, ": expected ", n, " values");
      inputs = k;
      outputs += n;
      biased = biased || part.bias;
    }
  }

  /// The bias of all rows, zero where a part has none; empty when no part has one.
  std::vector<float> bias(std::span<const WeightPart> parts) const {
    std::vector<float> all(biased ? std::size_t(outputs) : 0);
    i64 row = 0;
    for (const WeightPart& part : parts) {
      if (part.bias) read_f32(*part.bias, 0, std::span(all).subspan(std::size_t(row), std::size_t(part.bias->size())));
      row += part.weight->shape[0];
    }
    return all;
  }
};

}  // namespace la::detail
