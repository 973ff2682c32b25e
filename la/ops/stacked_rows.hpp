#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "panel_codec.hpp"
#include "stacked.hpp"

namespace la::detail {

/// Rows of a stack, whatever each part is stored as: floats as they lie in the file, integers dequantised exactly.
class StackedRows {
 public:
  StackedRows(std::span<const WeightPart> parts, i64 inputs) : parts_(parts), inputs_(inputs) {}

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

}  // namespace la::detail
