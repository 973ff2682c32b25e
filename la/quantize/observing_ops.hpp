#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "../ops/forwarding_ops.hpp"

namespace la::inline LA_ABI::detail {

/// Shows the tokens of each pass and the inputs of each linear layer to observers, and replaces some weights by others of
/// the same size. A weight is known by its place in the order of make_weight calls, which is that of for_each_weight.
class ObservingOps final : public ForwardingOps {
 public:
  using Observer = std::function<void(std::size_t weight, ConstMatrix x)>;

  using TokenObserver = std::function<void(std::span<const std::int32_t> ids)>;
  /// What to make a weight of instead; nothing to leave it.
  using Replace = std::function<std::optional<WeightPart>(std::size_t weight)>;

  ObservingOps(std::unique_ptr<Ops> inner, TokenObserver observe_tokens, Observer observe, Replace replace)
      : ForwardingOps(std::move(inner)),
        observe_tokens_(std::move(observe_tokens)),
        observe_(std::move(observe)),
        replace_(std::move(replace)) {}

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    const std::optional<WeightPart> other = replace_(order_.size());
    auto weight = ForwardingOps::make_weight(other ? std::span(&*other, 1) : parts, format);
    order_.emplace(weight.get(), order_.size());
    return weight;
  }
  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    observe_(order_.at(&w), x);
    ForwardingOps::linear(x, w, y, store);
  }
  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    observe_tokens_(ids);
    ForwardingOps::embedding(table, ids, y);
  }

 private:
  TokenObserver observe_tokens_;
  Observer observe_;
  Replace replace_;
  std::unordered_map<const Weight*, std::size_t> order_;
};

}  // namespace la::inline LA_ABI::detail
