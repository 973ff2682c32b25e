#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "../../la/core/storage.hpp"
#include "../../la/ops/forwarding_ops.hpp"

namespace la::test {

/// A backend whose memory is the host's, before a card: each op gets its operands in memory of their own on the card, which
/// ends where they end and holds nothing that they do not hold.
class StagedOps final : public ForwardingOps {
 public:
  explicit StagedOps(std::unique_ptr<Ops> card) : StagedOps(card.get(), std::move(card)) {}

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    auto memory = std::make_shared<Storage>(bytes > 0 ? bytes : 1);
    return {memory, memory->data()};
  }
  void upload(const void* host, void* to, std::size_t bytes) override { std::memcpy(to, host, bytes); }
  void download(const void* from, void* host, std::size_t bytes) override { std::memcpy(host, from, bytes); }

  std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                             const ProcessorConfig& config, Team* team) override {
    return std::make_unique<StagedPatches>(card_->make_patches(image, shrunk, config, team), *card_);
  }

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    const Copy in(*card_, x), out(*card_, y, store == Store::add);
    card_->linear(in.view, w, out.result(), store);
    out.back();
  }
  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    const Copy out(*card_, y, false);
    card_->embedding(table, ids, out.result());
    out.back();
  }
  void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                  Matrix y) override {
    const Copy in(*card_, summaries), out(*card_, y, false);
    card_->embed_best(table, in.view, rows, out.result());
    out.back();
  }
  std::unique_ptr<Download> start_download(ConstMatrix x) override { return Ops::start_download(x); }
  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override {
    const Copy in(*card_, x), out(*card_, y, false);
    const ListCopy<std::int32_t> on_card(*card_, rows);
    card_->gather(in.view, on_card.list, out.result());
    out.back();
  }
  void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                     const SpecialTokens& special, const BlockFeed& feed) override {
    const Copy in(*card_, summaries), ids(*card_, feed.ids, false);
    const ListCopy<std::int32_t> angles(*card_, feed.angles), wanted(*card_, feed.wanted);
    const ListCopy<KeyMask> visible(*card_, feed.visible), wanted_visible(*card_, feed.wanted_visible);
    card_->follow_blocks(
        in.view, blocks, special,
        {ids.result(), angles.result(), visible.result(), wanted.result(), wanted_visible.result()});
    ids.back();
    angles.back(feed.angles);
    visible.back(feed.visible);
    wanted.back(feed.wanted);
    wanted_visible.back(feed.wanted_visible);
  }
  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    const Copy w(*card_, weight), b(*card_, bias);
    row_by_row(x, y, [&](ConstMatrix in, Matrix out) { card_->layer_norm(in, w.view, b.view, eps, out); });
  }
  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    const Copy w(*card_, weight);
    row_by_row(x, y, [&](ConstMatrix in, Matrix out) { card_->rms_norm(in, w.view, eps, out); });
  }
  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    const Copy in(*card_, ConstCube(x));
    const Copy c(*card_, cos), s(*card_, sin);
    card_->rope(in.result(), c.view, s.view, layout);
    in.back();
  }
  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    row_by_row(x, y, [&](ConstMatrix in, Matrix out) { card_->gelu(in, kind, out); });
  }
  void swiglu(ConstMatrix gate_up, Matrix y) override {
    const Copy in(*card_, gate_up), out(*card_, y, false);
    card_->swiglu(in.view, out.result());
    out.back();
  }
  void bicubic_grid(ConstCube grid, Cube y) override {
    const Copy in(*card_, grid), out(*card_, ConstCube(y), false);
    card_->bicubic_grid(in.view, out.result());
    out.back();
  }
  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    const Copy keys(*card_, k), values(*card_, v);
    card_->kv_write(cache, layer, first, keys.view, values.view);
  }
  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    const ListCopy<KeyMask> on_card(*card_, visible);
    row_by_row(q, out, [&](ConstCube in, Cube to) { card_->attention(in, rows, on_card.list, scale, to); });
  }
  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    const Copy in(*card_, x), between(*card_, h, false);
    const Copy weight(*card_, n.weight), bias(*card_, n.bias);
    std::deque<Copy<2>> out;
    std::vector<Projection> on_card;
    for (const Projection& p : projections)
      on_card.push_back({p.weight, out.emplace_back(*card_, p.y, false).result()});
    card_->project(in.view, {weight.view, bias.view, n.eps}, between.result(), on_card);
    for (const auto& y : out) y.back();
  }
  void project_heads(ConstMatrix x, const Norm& n, const Weight& w, const RopeAngles& angles,
                     std::span<const KvTokens> rows, i64 layer, Matrix h, Matrix qkv) override {
    const Copy in(*card_, x), between(*card_, h, false), out(*card_, qkv);
    const Copy weight(*card_, n.weight);
    const Copy cos(*card_, angles.cos), sin(*card_, angles.sin);
    card_->project_heads(in.view, {weight.view, {}, n.eps}, w, {cos.view, sin.view, angles.layout}, rows,
                         layer, between.result(), out.result());
    out.back();
  }
  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner, Matrix wide, Matrix y,
                    Store store) override {
    const Copy in(*card_, x), between(*card_, h, false), out(*card_, y, store == Store::add);
    const Copy a(*card_, inner, false), b(*card_, wide, false);
    const Copy weight(*card_, f.norm.weight), bias(*card_, f.norm.bias);
    card_->feed_forward(in.view, {{weight.view, bias.view, f.norm.eps}, f.in, f.activation, f.out},
                        between.result(), a.result(), b.result(), out.result(), store);
    out.back();
  }
  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    const Copy in(*card_, ConstMatrix(x)), out(*card_, y, false);
    card_->summarize(in.result(), ids, out.result());
    in.back();
    out.back();
  }

 private:
  StagedOps(Ops* view, std::unique_ptr<Ops>&& card) : ForwardingOps(std::move(card)), card_(view) {}

  /// Rows of a view on the card, as far apart as they were; between them there is nothing.
  template <std::size_t R>
  struct Copy {
    Copy(Ops& ops, const Tensor<const float, R>& from, bool bring = true)
        : card(ops), host(from), view(from) {
      if (from.size() == 0) return;
      i64 last = 0;
      for (std::size_t r = 0; r < R; ++r) last += (from.shape[r] - 1) * from.stride[r];
      memory = card.allocate(std::size_t(last + 1) * sizeof(float));
      view.data = reinterpret_cast<const float*>(memory.get());
      if (bring)
        each_row([&](i64 at, std::size_t bytes) {
          card.upload(host.data + at, memory.get() + at * i64(sizeof(float)), bytes);
        });
    }
    Copy(Ops& ops, const Tensor<float, R>& from, bool bring = true)
        : Copy(ops, Tensor<const float, R>(from), bring) {}

    Tensor<float, R> result() const {
      Tensor<float, R> t(const_cast<float*>(view.data), view.shape);
      t.stride = view.stride;
      return t;
    }
    void back() const {
      each_row([&](i64 at, std::size_t bytes) {
        card.download(memory.get() + at * i64(sizeof(float)), const_cast<float*>(host.data) + at, bytes);
      });
    }
    template <class Body>
    void each_row(const Body& body) const {
      const i64 row = host.shape[R - 1];
      std::array<i64, R> index{};
      for (i64 done = 0; done < host.size(); done += row) {
        i64 at = 0;
        for (std::size_t r = 0; r + 1 < R; ++r) at += index[r] * host.stride[r];
        body(at, std::size_t(row) * sizeof(float));
        for (std::size_t r = R - 1; r > 0 && ++index[r - 1] == host.shape[r - 1]; --r) index[r - 1] = 0;
      }
    }

    Ops& card;
    Tensor<const float, R> host, view;
    std::shared_ptr<std::byte> memory;
  };

  /// A list in the backend's memory, on the card.
  template <class T>
  struct ListCopy {
    ListCopy(Ops& ops, const List<T>& from) : card(ops), list(from) {
      if (from.in_backend()) bring(from.values(), true);
    }
    ListCopy(Ops& ops, std::span<T> to) : card(ops), list(to) { bring(to, false); }
    std::span<T> result() const { return {const_cast<T*>(list.values().data()), list.values().size()}; }
    void back(std::span<T> to) const { card.download(memory.get(), to.data(), to.size_bytes()); }
    void bring(std::span<const T> values, bool with_values) {
      memory = card.allocate(values.size_bytes());
      if (with_values) card.upload(values.data(), memory.get(), values.size_bytes());
      list = List<T>::in_backend({reinterpret_cast<const T*>(memory.get()), values.size()});
    }

    Ops& card;
    List<T> list;
    std::shared_ptr<std::byte> memory;
  };

  struct StagedPatches final : ImagePatches {
    StagedPatches(std::unique_ptr<ImagePatches> on_card, Ops& card)
        : ImagePatches(on_card->grid_h(), on_card->grid_w()), inner(std::move(on_card)), ops(card) {}
    void read(i64 first, Matrix y) const override {
      const Copy out(ops, y, false);
      inner->read(first, out.result());
      out.back();
    }
    std::unique_ptr<ImagePatches> inner;
    Ops& ops;
  };

  /// In place where x is y.
  template <std::size_t R, class Body>
  void row_by_row(const Tensor<const float, R>& x, const Tensor<float, R>& y, const Body& body) {
    const Copy<R> in(*card_, x);
    if (x.data == y.data) {
      body(in.view, in.result());
      in.back();
      return;
    }
    const Copy<R> out(*card_, y, false);
    body(in.view, out.result());
    out.back();
  }

  Ops* card_;
};

}  // namespace la::test
