#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../core/tensor.hpp"

namespace la::detail {

/// Second moments X^T X of the inputs of a linear layer, in blocks along the diagonal: what a change of its weights
/// does to its outputs. Inputs further apart than a block are taken as unrelated, which bounds memory for a wide ffn.
class Moments {
 public:
  static constexpr i64 kSpan = 2048;
  using Matrix = Eigen::MatrixXf;

  explicit Moments(i64 inputs) : inputs_(inputs) {
    for (i64 first = 0; first < inputs; first += kSpan) {
      const i64 n = std::min(kSpan, inputs - first);
      blocks_.push_back(Matrix::Zero(n, n));
    }
  }

  /// Adds the rows of x [T, K], each with weight T^-1/2: the few rows of a decoding step, which choose a token each, would
  /// drown among the many of a prompt. `importance` is a further weight of all of them.
  void add(ConstMatrix x, float importance = 1) {
    const float weight = importance / std::sqrt(float(x.shape[0]));
    rows_ += x.shape[0];
    using Rows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0,
                            Eigen::OuterStride<>>;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Rows rows(x.data + i64(b) * kSpan, x.shape[0], blocks_[b].rows(),
                      Eigen::OuterStride<>(x.stride[0]));
      blocks_[b].selfadjointView<Eigen::Lower>().rankUpdate(rows.transpose(), weight);
    }
  }

  i64 inputs() const noexcept { return inputs_; }
  i64 rows() const noexcept { return rows_; }
  /// Lower triangles; block b is of inputs b * kSpan on.
  const std::vector<Matrix>& blocks() const noexcept { return blocks_; }

  static std::size_t bytes(i64 inputs) noexcept {
    return std::size_t(inputs) * std::size_t(std::min(inputs, kSpan)) * sizeof(float);
  }

 private:
  i64 inputs_, rows_ = 0;
  std::vector<Matrix> blocks_;
};

}  // namespace la::detail
