#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "../ops/ops.hpp"

namespace la::detail {

/// Passes every call on, and shows the tokens of each pass and the inputs of each linear layer to observers; some weights are replaced by others
/// of the same size. Weights are known by the order in which they were made, that of for_each_weight.
class ObservingOps final : public Ops {
 public:
  using Observer = std::function<void(std::size_t weight, ConstMatrix x)>;

  using TokenObserver = std::function<void(std::span<const std::int32_t> ids)>;
  /// What to make a weight of instead; nothing to leave it.
  using Replace = std::function<std::optional<WeightPart>(std::size_t weight)>;

  ObservingOps(std::unique_ptr<Ops> inner, TokenObserver observe_tokens, Observer observe, Replace replace)
      : inner_(std::move(inner)),
        observe_tokens_(std::move(observe_tokens)),
        observe_(std::move(observe)),
        replace_(std::move(replace)) {}

  std::string_view name() const noexcept override { return inner_->name(); }
  std::string_view isa() const noexcept override { return inner_->isa(); }
  int threads() const noexcept override { return inner_->threads(); }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void upload(const void* host, void* device, std::size_t bytes) override {
    inner_->upload(host, device, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    inner_->download(device, host, bytes);
  }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    const std::optional<WeightPart> other = replace_(order_.size());
    auto weight = inner_->make_weight(other ? std::span(&*other, 1) : parts, format);
    order_.emplace(weight.get(), order_.size());
    return weight;
  }
  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    return inner_->make_kv_cache(shape);
  }

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    observe_(order_.at(&w), x);
    inner_->linear(x, w, y, store);
  }
  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    observe_tokens_(ids);
    inner_->embedding(table, ids, y);
  }
  void gather(ConstMatrix x, std::span<const std::int32_t> rows, Matrix y) override {
    inner_->gather(x, rows, y);
  }
  void add(ConstMatrix a, ConstMatrix b, Matrix y) override { inner_->add(a, b, y); }
  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    inner_->layer_norm(x, weight, bias, eps, y);
  }
  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    inner_->rms_norm(x, weight, eps, y);
  }
  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    inner_->rope(x, cos, sin, layout);
  }
  void gelu(ConstMatrix x, Gelu kind, Matrix y) override { inner_->gelu(x, kind, y); }
  void swiglu(ConstMatrix gate_up, Matrix y) override { inner_->swiglu(gate_up, y); }
  void bicubic_grid(ConstCube grid, Cube y) override { inner_->bicubic_grid(grid, y); }
  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    inner_->kv_write(cache, layer, first, k, v);
  }
  void attention(ConstCube q, std::span<const KvRows> rows, std::span<const KeyMask> visible, float scale,
                 Cube out) override {
    inner_->attention(q, rows, visible, scale, out);
  }
  void softmax(Matrix x) override { inner_->softmax(x); }

 private:
  std::unique_ptr<Ops> inner_;
  TokenObserver observe_tokens_;
  Observer observe_;
  Replace replace_;
  std::unordered_map<const Weight*, std::size_t> order_;
};

}  // namespace la::detail
