#pragma once

#include <cstddef>
#include <cstring>

#include "../core/scalar.hpp"
#include "../io/safetensors.hpp"

// Reading rows of any stored float type and alignment.
namespace la::inline LA_ABI::detail {

/// One row of floats.
struct SourceRow {
  const std::byte* data;
  DType dtype;
};

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

}  // namespace la::inline LA_ABI::detail
