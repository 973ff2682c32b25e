#pragma once

#include <algorithm>

#include "../core/tensor.hpp"
#include "../text/special_tokens.hpp"

namespace la::inline LA_ABI {

/// What a pass costs as rows are added to it: reading the weights takes as long as `rows_per_read` rows of arithmetic,
/// so n rows cost 1 + n / rows_per_read reads. `sequences` such passes run together.
struct PassCost {
  double rows_per_read = 10;
  i64 sequences = 1;

  /// Of a pass with this many rows a sequence, in passes with one.
  double of(i64 rows) const noexcept {
    const double each = double(sequences) / rows_per_read;
    return (1 + double(rows) * each) / (1 + each);
  }
};

/// Decides, from what drafts brought so far in this answer, whether the next step drafts. It keeps an account in passes
/// with one token: a pass with drafts puts in the tokens that it brought and takes out what it cost. In debt, steps are
/// single; each puts in a little, until another try can be afforded. So the loss against single steps is at most
/// kCredit + kTry + kAllowance of the answer's length, whatever the model says.
class DraftPolicy {
 public:
  explicit DraftPolicy(const PassCost& cost) : cost_(cost) {}

  bool drafts() const noexcept { return drafting_; }

  void single_step() noexcept {
    balance_ += kAllowance;
    drafting_ = worth_trying() && balance_ >= kTry;
  }
  /// tokens: that the pass brought; rows: that it fed beside the prompt's
  void drafted_step(i64 tokens, i64 rows) noexcept {
    balance_ = std::min(kMost, balance_ + double(tokens) - cost_.of(rows));
    drafting_ = balance_ >= 0;
  }

  /// Whether drafts that mostly hold would pay at all.
  bool worth_trying() const noexcept { return cost_.of(2 * kBlockSize) < kUsualTokens; }

 private:
  static constexpr double kCredit = 1, kTry = 1, kAllowance = 0.03, kMost = 4;
  static constexpr double kUsualTokens = 3.5;  // of six, that a pass with drafts brings when they go well

  PassCost cost_;
  double balance_ = kCredit;
  bool drafting_ = worth_trying();
};

}  // namespace la::inline LA_ABI
