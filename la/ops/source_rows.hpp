#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../core/scalar.hpp"
#include "ops.hpp"

// Reading rows of any stored float type and alignment.
namespace la::detail {

/// One row of floats.
struct SourceRow {
  const std::byte* data;
  DType dtype;
};

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
    case DType::bf16:
      return each_input_as<bf16>(row, first, count, put);
    case DType::f16:
      return each_input_as<f16>(row, first, count, put);
    default:
      return each_input_as<float>(row, first, count, put);
  }
}

}  // namespace la::detail
