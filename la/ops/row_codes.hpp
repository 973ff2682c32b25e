#pragma once

#include <memory>

#include "../../kernels/kernels.hpp"
#include "../core/storage.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI::detail {

/// Rows quantised for a product, see kernels::QuantizedRows. The memory is kept for the next ones.
class RowCodes {
 public:
  i64 group() const noexcept { return group_; }

  /// For rows of so many inputs in groups of 32 or 128; what was there is lost.    error: std::bad_alloc
  void prepare(i64 rows, i64 inputs, i64 group, const std::shared_ptr<MemoryResource>& memory) {
    group_ = group;
    groups_ = (inputs + group - 1) / group;
    stride_ = kernels::quantized_stride(inputs);
    q_.grow(std::size_t(rows * stride_), memory);
    scales_.grow(std::size_t(rows * groups_) * sizeof(float), memory);
    sums_.grow(std::size_t(rows * groups_) * sizeof(float), memory);
  }

  /// Inputs [first, first + count) of a row from x: whole groups, but at its end.
  void quantize(kernels::QuantizeKernel* kernel, i64 row, i64 first, i64 count, const float* x) noexcept {
    const i64 at = row * groups_ + first / group_;
    kernel({x, count, group_, q_.as<std::int8_t>() + row * stride_ + first, scales_.as<float>() + at,
            sums_.as<float>() + at});
  }

  kernels::QuantizedRows from(i64 row) const noexcept {
    return {q_.as<const std::int8_t>() + row * stride_, scales_.as<const float>() + row * groups_,
            sums_.as<const float>() + row * groups_, stride_, groups_};
  }

 private:
  Storage q_, scales_, sums_;
  i64 group_ = 0, groups_ = 0, stride_ = 0;
};

}  // namespace la::inline LA_ABI::detail
