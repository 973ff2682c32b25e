#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "int4_checkpoint.hpp"
#include "pack_panel.hpp"
#include "packed_file.hpp"
#include "source_row.hpp"
#include "weight.hpp"

// The parts of a weight as one matrix: its checks, its bias, its rows.
namespace la::inline LA_ABI::detail {

/// The type all parts share; f32 when they differ or are quantised, since it holds every other one exactly.
/// error: a float part that is not F32, F16 or BF16
inline DType common_dtype(std::span<const WeightPart> parts) {
  bool same = true;
  for (const WeightPart& part : parts) {
    if (!part.weight) {
      same = false;
      continue;
    }
    const StoredTensor& w = *part.weight;
    require(w.dtype == DType::f32 || w.dtype == DType::f16 || w.dtype == DType::bf16, w.file->path(),
            ": tensor ", w.name, ": expected F32, F16 or BF16, found ", w.describe());
    same = same && parts[0].weight && w.dtype == parts[0].weight->dtype;
  }
  return same ? parts[0].weight->dtype : DType::f32;
}

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
struct StackShape {
  i64 outputs = 0, inputs = 0;
  bool biased = false;

  explicit StackShape(std::span<const WeightPart> parts) {
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

/// Rows of a stack, whatever each part is stored as: floats as they lie in the file, integers dequantised exactly.
class WeightRows {
 public:
  WeightRows(std::span<const WeightPart> parts, i64 inputs) : parts_(parts), inputs_(inputs) {}

  /// Rows [first, first + count) of the stack, less those beyond its end. Valid until the next call with this scratch.
  std::vector<SourceRow> read(i64 first, i64 count, std::vector<float>& scratch) const {
    std::vector<SourceRow> rows;
    scratch.resize(std::size_t(count * inputs_));
    i64 part_first = 0;
    for (const WeightPart& part : parts_) {
      const i64 end = std::min(first + count, part_first + outputs_of(part));
      for (i64 n = std::max(first, part_first); n < end; ++n)
        rows.push_back(row(part, n - part_first, scratch.data() + (n - first) * inputs_));
      part_first += outputs_of(part);
    }
    return rows;
  }

 private:
  SourceRow row(const WeightPart& part, i64 n, float* scratch) const {
    if (part.weight)
      return {part.weight->bytes.data() + std::size_t(n * inputs_) * size_of(part.weight->dtype),
              part.weight->dtype};
    if (part.int4) {
      for (i64 k = 0; k < inputs_; ++k) scratch[k] = part.int4->value(k, n);
    } else {
      const StoredPanels& p = *part.panels;
      unpack_column(
          p.format,
          p.panels->bytes.data() + std::size_t(n / kernels::kPanel) * panel_bytes(p.format, inputs_), inputs_,
          std::size_t(n % kernels::kPanel), scratch);
    }
    return {reinterpret_cast<const std::byte*>(scratch), DType::f32};
  }

  std::span<const WeightPart> parts_;
  i64 inputs_;
};

}  // namespace la::inline LA_ABI::detail
