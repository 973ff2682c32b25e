#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../core/tensor.hpp"

namespace la::inline LA_ABI::detail {

/// Second hessian X^T X of the inputs of a linear layer, in blocks along the diagonal: what a change of its weights
/// does to its outputs. Inputs further apart than a block are taken as unrelated, which bounds memory for a wide ffn.
class Hessian {
 public:
  static constexpr i64 kSpan = 2048, kWide = 1024;
  using Matrix = Eigen::MatrixXf;

  explicit Hessian(i64 inputs) : inputs_(inputs) {
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
    const Rows rows(x.data, x.shape[0], inputs_, Eigen::OuterStride<>(x.stride[0]));
    if (inputs_ < kWide || x.shape[0] >= kGathered) return update(rows, weight);
    if (gathered_.rows() == 0) gathered_.resize(kGathered, inputs_);
    if (waiting_ + x.shape[0] > kGathered) flush();
    gathered_.middleRows(waiting_, x.shape[0]) = std::sqrt(weight) * rows;
    waiting_ += x.shape[0];
  }

  /// Adds the rows that wait; to be called before blocks().
  void flush() {
    if (waiting_ == 0) return;
    update(Rows(gathered_.data(), waiting_, inputs_, Eigen::OuterStride<>(inputs_)), 1);
    waiting_ = 0;
  }

  i64 inputs() const noexcept { return inputs_; }
  i64 rows() const noexcept { return rows_; }
  /// Lower triangles; block b is of inputs b * kSpan on.
  const std::vector<Matrix>& blocks() const noexcept { return blocks_; }

  static std::size_t bytes(i64 inputs) noexcept {
    const i64 gathered = inputs < kWide ? 0 : kGathered;
    return std::size_t(inputs) * std::size_t(std::min(inputs, kSpan) + gathered) * sizeof(float);
  }

 private:
  /// A decoding step has a row or six, and would go through megabytes of a wide layer's hessian for each: they are
  /// gathered and added together.
  static constexpr i64 kGathered = 64;
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Rows = Eigen::Map<const RowMajor, 0, Eigen::OuterStride<>>;

  void update(const Rows& rows, float weight) {
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      blocks_[b].selfadjointView<Eigen::Lower>().rankUpdate(
          rows.middleCols(i64(b) * kSpan, blocks_[b].rows()).transpose(), weight);
  }

  i64 inputs_, rows_ = 0;
  RowMajor gathered_;
  i64 waiting_ = 0;  ///< rows of gathered_
  std::vector<Matrix> blocks_;
};

}  // namespace la::inline LA_ABI::detail
