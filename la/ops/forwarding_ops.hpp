#pragma once

#include <memory>
#include <utility>

#include "ops.hpp"

namespace la::inline LA_ABI {

/// Passes every call on to another backend: the base of what watches or changes some of them. What is made of several ops
/// stays so, that none passes unseen.
class ForwardingOps : public Ops {
 public:
  explicit ForwardingOps(std::unique_ptr<Ops> inner) : inner_(std::move(inner)) {}

  std::string_view name() const noexcept override { return inner_->name(); }
  std::string_view isa() const noexcept override { return inner_->isa(); }
  int threads() const noexcept override { return inner_->threads(); }
  double rows_per_read(std::size_t weight_bytes) const noexcept override {
    return inner_->rows_per_read(weight_bytes);
  }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void upload(const void* host, void* device, std::size_t bytes) override {
    inner_->upload(host, device, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    inner_->download(device, host, bytes);
  }
  std::unique_ptr<Download> start_download(ConstMatrix x) override { return inner_->start_download(x); }
  bool runs_behind() const noexcept override { return inner_->runs_behind(); }
  std::size_t free_bytes() override { return inner_->free_bytes(); }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    return inner_->make_weight(parts, format);
  }
  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    return inner_->make_kv_cache(shape);
  }
  std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                             const ProcessorConfig& config, Team* team) override {
    return inner_->make_patches(image, shrunk, config, team);
  }

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    inner_->linear(x, w, y, store);
  }
  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    inner_->embedding(table, ids, y);
  }
  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override { inner_->gather(x, rows, y); }
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
  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    inner_->attention(q, rows, visible, scale, out);
  }
  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    inner_->summarize(x, ids, y);
  }
  void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                  Matrix y) override {
    inner_->embed_best(table, summaries, rows, y);
  }
  void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                     const SpecialTokens& special, const BlockFeed& feed) override {
    inner_->follow_blocks(summaries, blocks, special, feed);
  }

 protected:
  Ops& inner() noexcept { return *inner_; }

 private:
  std::unique_ptr<Ops> inner_;
};

}  // namespace la::inline LA_ABI
