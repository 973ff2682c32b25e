#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "ops.hpp"
#include "stored_int4.hpp"
#include "stored_panels.hpp"

namespace la::detail {

/// The tensor that a part's errors name and whose file it lies in.
inline const StoredTensor& main_tensor(const WeightPart& part) {
  return part.int4 ? *part.int4->qweight : part.panels ? *part.panels->panels : *part.weight;
}
inline i64 outputs_of(const WeightPart& part) {
  if (part.int4) return part.int4->outputs;
  if (part.panels) return part.panels->outputs;
  return part.weight->shape.empty() ? 0 : part.weight->shape[0];
}
inline i64 inputs_of(const WeightPart& part) {
  if (part.int4) return part.int4->inputs;
  if (part.panels) return part.panels->inputs;
  const i64 n = outputs_of(part);
  return n > 0 ? part.weight->size() / n : 0;
}

/// Gives the file pages of a part back.
inline void release(const WeightPart& part) {
  if (part.weight) part.weight->file->release(part.weight->bytes);
  if (!part.int4) return;
  for (const StoredTensor* t : {part.int4->qweight, part.int4->qzeros, part.int4->scales})
    t->file->release(t->bytes);
}

/// Size and checks of the parts of a Weight, shared by the backends.
struct Stacked {
  i64 outputs = 0, inputs = 0;
  bool biased = false;

  explicit Stacked(std::span<const WeightPart> parts) {
    for (const WeightPart& part : parts) {
      const StoredTensor& w = main_tensor(part);
      const i64 n = outputs_of(part), k = inputs_of(part);
      require(n > 0 && k > 0, w.file->path(), ": tensor ", w.name, ": expected a matrix, found ",
              w.describe());
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
      if (part.bias)
        read_f32(*part.bias, 0, std::span(all).subspan(std::size_t(row), std::size_t(part.bias->size())));
      row += outputs_of(part);
    }
    return all;
  }
};

}  // namespace la::detail
