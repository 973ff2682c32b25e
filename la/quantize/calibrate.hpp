#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "../model/session.hpp"
#include "moments.hpp"
#include "observing_ops.hpp"
#include "quantize.hpp"

namespace la::detail {

/// The model, run on samples to see the inputs of its linear layers.
class Calibrator {
 public:
  /// By the place of the weight in for_each_weight.
  using MomentsOf = std::map<std::size_t, Moments>;

  Calibrator(const std::string& model_dir, const QuantizeOptions& options)
      : options_(options), session_(open(model_dir)) {}

  /// The moments of these weights, whose inputs are given, over all samples. The blocks of the fast mode and the single
  /// steps of the slow one are both seen.
  MomentsOf collect(const std::map<std::size_t, i64>& inputs_of) {
    moments_.clear();
    for (const auto& [weight, inputs] : inputs_of) moments_.emplace(weight, Moments(inputs));
    for (std::size_t i = 0; i < options_.samples.size(); ++i) {
      if (options_.progress) options_.progress("calibration", double(i) / double(options_.samples.size()));
      const CalibrationSample& sample = options_.samples[i];
      const EncodedImage image = session_.encode(sample.picture);
      for (Mode mode : {Mode::fast, Mode::slow}) {
        AskOptions ask;
        ask.generation.mode = mode;
        ask.generation.max_new_tokens = 48;
        session_.ask(image, sample.question, ask);
      }
    }
    return std::move(moments_);
  }

 private:
  Session open(const std::string& model_dir) {
    SessionOptions options;
    options.threads = options_.threads;
    options.image_cache_bytes = 0;
    options.kept_prefixes = 0;
    options.wrap_ops = [this](std::unique_ptr<Ops> ops) {
      return std::make_unique<ObservingOps>(std::move(ops), [this](std::size_t weight, ConstMatrix x) {
        const auto found = moments_.find(weight);
        if (found != moments_.end()) found->second.add(x);
      });
    };
    return Session::open(model_dir, options);
  }

  const QuantizeOptions& options_;
  MomentsOf moments_;
  Session session_;
};

}  // namespace la::detail
