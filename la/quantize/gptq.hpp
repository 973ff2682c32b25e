#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <vector>

#include "group_search.hpp"
#include "hessian.hpp"

namespace la::inline LA_ABI::detail {

/// What each input's rounding error does, and how later inputs make up for it.
/// source: GPTQ, https://arxiv.org/abs/2210.17323
struct Feedback {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  std::vector<RowMajor> factors;         ///< per block: U, upper triangular, with H^-1 = U^T U
  std::vector<Hessian::Matrix> hessian;  ///< per block: H, damped, both triangles
  std::vector<float> diagonal;           ///< [K] of H

  explicit Feedback(const Hessian& from) {
    // Where samples are many, what they say is followed closely; few leave directions that nobody has seen.
    const double share = from.rows() >= 4 * from.inputs() ? 0.001 : 0.01;
    for (const Hessian::Matrix& lower : from.blocks()) {
      Hessian::Matrix h = lower.selfadjointView<Eigen::Lower>();
      const double mean = double(h.trace()) / double(h.rows());
      const float damping = float(mean > 0 ? share * mean : 1.0);
      h.diagonal().array() += damping;
      // H = R R^T with R upper triangular is the Cholesky factorisation of H turned by half a turn; U is R^-1.
      const Eigen::MatrixXd turned = h.reverse().cast<double>();
      const Eigen::MatrixXd lower_factor = turned.llt().matrixL();
      Eigen::MatrixXd r = lower_factor.reverse();
      Eigen::MatrixXd u = Eigen::MatrixXd::Identity(r.rows(), r.cols());
      r.triangularView<Eigen::Upper>().solveInPlace(u);
      factors.push_back(u.cast<float>());
      for (Eigen::Index k = 0; k < h.rows(); ++k) diagonal.push_back(h(k, k));
      hessian.push_back(std::move(h));
    }
  }

  /// e H e^T of one row of errors.
  double cost(std::span<const float> error) const {
    double sum = 0;
    for (std::size_t b = 0; b < hessian.size(); ++b) {
      const Eigen::Map<const Eigen::VectorXf> e(error.data() + i64(b) * Hessian::kSpan, hessian[b].rows());
      sum += double(e.dot(hessian[b].selfadjointView<Eigen::Lower>() * e));
    }
    return sum;
  }
};

/// Codes and scales of one row.
struct Int4Row {
  std::vector<std::uint8_t> codes;  ///< [K]
  std::vector<Int4Scale> groups;    ///< [ceil(K / group)]

  float value(i64 k, i64 group) const { return groups[std::size_t(k / group)].value(codes[std::size_t(k)]); }
};

/// Each group on its own: `scale_of(first, weights)` chooses its scale, the codes are the nearest ones.
template <class ScaleOf>
Int4Row rtn_row(std::span<const float> w, i64 group, const ScaleOf& scale_of) {
  Int4Row row;
  for (std::size_t k0 = 0; k0 < w.size(); k0 += std::size_t(group)) {
    const auto part = w.subspan(k0, std::min(std::size_t(group), w.size() - k0));
    row.groups.push_back(scale_of(k0, part));
    for (float x : part) row.codes.push_back(row.groups.back().code(x));
  }
  return row;
}

/// Input after input, the rounding error is carried over to the inputs still to come. w is used up.
inline Int4Row gptq_row(std::span<float> w, i64 group, const Feedback& h) {
  Int4Row row;
  for (std::size_t b = 0; b < h.factors.size(); ++b) {
    const auto& u = h.factors[b];
    const i64 first = i64(b) * Hessian::kSpan, size = u.rows();
    for (i64 k = 0; k < size; ++k) {
      const i64 at = first + k;
      if (at % group == 0) {
        const auto part = w.subspan(std::size_t(at), std::size_t(std::min<i64>(group, i64(w.size()) - at)));
        row.groups.push_back(searched_scale(part, h.diagonal.data() + at));
      }
      const Int4Scale& s = row.groups.back();
      float* rest = w.data() + first;
      row.codes.push_back(s.code(rest[k]));
      const float error = (rest[k] - s.value(row.codes.back())) / u(k, k);
      const float* carry = u.data() + k * size;
      for (i64 j = k; j < size; ++j) rest[j] -= error * carry[j];
    }
  }
  return row;
}

/// Improves codes and scales of a row in turn, each step the best for e H e^T with all else as it is.
/// source: coordinate descent on codes as in QuantEase, https://arxiv.org/abs/2309.01885
class RowRefiner {
 public:
  RowRefiner(std::span<const float> w, i64 group, const Feedback& h, Int4Row& row)
      : w_(w), group_(group), h_(h), row_(row) {}

  void run() {
    for (std::size_t b = 0; b < h_.hessian.size(); ++b) {
      block_ = b;
      first_ = i64(b) * Hessian::kSpan;
      size_ = h_.hessian[b].rows();
      // Each round goes through the hessian twice, which are megabytes in a wide layer.
      const int rounds = size_ < Hessian::kWide ? 4 : 2;
      for (int round = 0; round < rounds; ++round) {
        if (round > 0) refit_scales();
        improve_codes();
      }
    }
  }

 private:
  static constexpr int kSweeps = 4;

  const Hessian::Matrix& hessian() const { return h_.hessian[block_]; }

  /// H e: how fast the cost grows with each error.
  Eigen::VectorXf slope() const {
    Eigen::VectorXf error(size_);
    for (i64 k = 0; k < size_; ++k) error[k] = w_[std::size_t(first_ + k)] - row_.value(first_ + k, group_);
    return hessian() * error;
  }

  void improve_codes() {
    Eigen::VectorXf g = slope();
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool changed = false;
      for (i64 k = 0; k < size_; ++k) {
        const float s = row_.groups[std::size_t((first_ + k) / group_)].scale();
        if (!(s > 0)) continue;
        std::uint8_t& code = row_.codes[std::size_t(first_ + k)];
        const int step = int(std::nearbyint(std::clamp(g[k] / (s * hessian()(k, k)), -15.0f, 15.0f)));
        const int better = std::clamp(int(code) + step, 0, 15);
        if (better == int(code)) continue;
        g -= s * float(better - int(code)) * hessian().col(k);
        code = std::uint8_t(better);
        changed = true;
      }
      if (!changed) return;
    }
  }

  /// Least squares over all scales of the block together.
  void refit_scales() {
    const i64 first_group = first_ / group_, groups = (size_ + group_ - 1) / group_;
    Eigen::VectorXf codes(size_);
    for (i64 k = 0; k < size_; ++k)
      codes[k] = float(row_.codes[std::size_t(first_ + k)]) -
                 float(row_.groups[std::size_t(first_group + k / group_)].zero);
    // Of the matrix with a column of codes for each group, only the blocks that are not zero are multiplied.
    const auto of_group = [&](i64 g) {
      return codes.segment(g * group_, std::min(group_, size_ - g * group_));
    };
    Eigen::MatrixXf weighted(size_, groups);
    for (i64 g = 0; g < groups; ++g)
      weighted.col(g).noalias() = hessian().middleCols(g * group_, of_group(g).size()) * of_group(g);
    Eigen::MatrixXd square(groups, groups);
    for (i64 g = 0; g < groups; ++g)
      square.row(g) =
          (of_group(g).transpose() * weighted.middleRows(g * group_, of_group(g).size())).cast<double>();
    const Eigen::Map<const Eigen::VectorXf> w(w_.data() + first_, size_);
    for (i64 g = 0; g < groups; ++g)
      if (!(square(g, g) > 0)) square(g, g) = 1;  // a group of zeros keeps any scale
    const Eigen::VectorXd scales = square.ldlt().solve((weighted.transpose() * w).cast<double>());
    for (i64 g = 0; g < groups; ++g) {
      const f16 half = to_f16(float(scales[g]));
      if (to_float(half) > 0) row_.groups[std::size_t(first_group + g)].half_scale = half;
    }
  }

  std::span<const float> w_;
  i64 group_;
  const Feedback& h_;
  Int4Row& row_;
  std::size_t block_ = 0;
  i64 first_ = 0, size_ = 0;
};

}  // namespace la::inline LA_ABI::detail
