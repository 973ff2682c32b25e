#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "../session/session.hpp"
#include "hessian.hpp"
#include "observing_ops.hpp"
#include "quantize_options.hpp"

namespace la::inline LA_ABI::detail {

/// The model, run on samples to see the inputs of its linear layers.
class Calibrator {
 public:
  /// By the place of the weight in for_each_weight.
  using HessianOf = std::map<std::size_t, Hessian>;

  /// `replace` gives the weights that are quantised already: those behind them see the inputs that they will get.
  Calibrator(const std::string& model_dir, const QuantizeOptions& options,
             const ObservingOps::Replace& replace)
      : options_(options), session_(open(model_dir, replace)) {}

  /// The hessian of these weights, whose inputs are given, over all samples. The blocks of the fast mode and the single
  /// steps of the slow one are both seen.
  HessianOf collect(const std::map<std::size_t, i64>& inputs_of, const std::string& step) {
    hessians_.clear();
    for (const auto& [weight, inputs] : inputs_of) hessians_.emplace(weight, Hessian(inputs));
    for (std::size_t i = 0; i < options_.samples.size(); ++i) {
      if (options_.progress) options_.progress(step, double(i) / double(options_.samples.size()));
      const CalibrationSample& sample = options_.samples[i];
      const EncodedImage image = session_.encode(sample.image);
      for (Mode mode : {Mode::fast, Mode::slow}) {
        AskOptions ask;
        ask.generation.mode = mode;
        ask.generation.max_new_tokens = 48;
        session_.ask(image, sample.question, ask);
      }
    }
    for (auto& [weight, hessian] : hessians_) hessian.flush();
    return std::move(hessians_);
  }

 private:
  /// Weight of the rows of the step behind `<box>`, which decides whether the thing is there at all: an error loses a box
  /// there, elsewhere it moves a side by a unit. Counting these rows eightfold (thirty-twofold did worse) is measured in
  /// benchmarks/results/zen4-2cores-accuracy.txt.
  static constexpr float kBoxImportance = 8;

  Session open(const std::string& model_dir, const ObservingOps::Replace& replace) {
    const std::int32_t box_start = ModelConfig::load(model_dir).tokens.box_start;
    SessionOptions options;
    options.threads = options_.threads;
    options.image_cache_bytes = 0;
    options.kept_prefixes = 0;
    options.wrap_ops = [this, replace, box_start](std::unique_ptr<Ops> ops) {
      const auto observe = [this](std::size_t weight, ConstMatrix x) {
        const auto found = hessians_.find(weight);
        if (found != hessians_.end()) found->second.add(x, importance_);
      };
      const auto observe_tokens = [this, box_start](std::span<const std::int32_t> ids) {
        importance_ = ids.size() == 1 && ids[0] == box_start ? kBoxImportance : 1;
      };
      return std::make_unique<ObservingOps>(std::move(ops), observe_tokens, observe, replace);
    };
    return Session::open(model_dir, options);
  }

  const QuantizeOptions& options_;
  HessianOf hessians_;
  float importance_ = 1;
  Session session_;
};

}  // namespace la::inline LA_ABI::detail
