#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../core/scalar.hpp"
#include "ops.hpp"

// Reading the rows of stacked tensors, of any stored float type and alignment.
namespace la::detail {

/// One row of the stack.
struct SourceRow {
  const std::byte* data;
  DType dtype;
};

inline std::vector<SourceRow> source_rows(std::span<const WeightPart> parts, i64 inputs) {
  std::vector<SourceRow> rows;
  for (const WeightPart& part : parts) {
    const StoredTensor& w = *part.weight;
    for (i64 n = 0; n < w.shape[0]; ++n)
      rows.push_back({w.bytes.data() + std::size_t(n * inputs) * size_of(w.dtype), w.dtype});
  }
  return rows;
}

/// The type all parts share; f32 when they differ, since it holds every other one exactly.
/// error: a part that is not F32, F16 or BF16
inline DType common_dtype(std::span<const WeightPart> parts) {
  for (const WeightPart& part : parts) {
    const StoredTensor& w = *part.weight;
    require(w.dtype == DType::f32 || w.dtype == DType::f16 || w.dtype == DType::bf16, w.file->path(), ": tensor ",
            w.name, ": expected F32, F16 or BF16, found ", w.describe());
  }
  for (const WeightPart& part : parts)
    if (part.weight->dtype != parts[0].weight->dtype) return DType::f32;
  return parts[0].weight->dtype;
}

/// Hands inputs [first, first + count) of a row to put(i, value), one after the other, in their stored type.
template <class In, class Put>
void each_input_as(const SourceRow& row, i64 first, i64 count, const Put& put) {
  const std::byte* from = row.data + std::size_t(first) * sizeof(In);
  for (i64 i = 0; i < count; ++i) {
    In x;
    std::memcpy(&x, from + std::size_t(i) * sizeof(In), sizeof(In));  // may be unaligned
    put(i, x);
  }
}

template <class Put>
void each_input(const SourceRow& row, i64 first, i64 count, const Put& put) {
  switch (row.dtype) {
    case DType::bf16: return each_input_as<bf16>(row, first, count, put);
    case DType::f16: return each_input_as<f16>(row, first, count, put);
    default: return each_input_as<float>(row, first, count, put);
  }
}

}  // namespace la::detail
