#include "ops_check.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "../../kernels/common/float_bits.hpp"
#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

struct CheckedWeight final : Weight {
  CheckedWeight(std::unique_ptr<Weight> a, std::unique_ptr<Weight> b)
      : Weight(a->outputs(), a->inputs()), subject(std::move(a)), oracle(std::move(b)) {}
  std::size_t bytes() const noexcept override { return subject->bytes() + oracle->bytes(); }
  std::string_view format() const noexcept override { return subject->format(); }
  std::unique_ptr<Weight> subject, oracle;
};

struct CheckedKvCache final : KvCache {
  CheckedKvCache(const KvShape& s, std::unique_ptr<KvCache> a, std::unique_ptr<KvCache> b)
      : KvCache(s), subject(std::move(a)), oracle(std::move(b)) {}
  void extend(i64 tokens) override {
    subject->extend(tokens);
    oracle->extend(tokens);
    length_ = subject->length();
  }
  void truncate(i64 length) override {
    subject->truncate(length);
    oracle->truncate(length);
    length_ = length;
  }
  std::unique_ptr<KvCache> fork(i64 length) const override {
    auto copy = std::make_unique<CheckedKvCache>(shape_, subject->fork(length), oracle->fork(length));
    copy->length_ = length;
    return copy;
  }
  std::size_t own_bytes(i64 tokens, i64 forked) const noexcept override {
    return subject->own_bytes(tokens, forked) + oracle->own_bytes(tokens, forked);
  }
  std::unique_ptr<KvCache> subject, oracle;
};

class CheckOps;

struct CheckedPatches final : ImagePatches {
  CheckedPatches(std::unique_ptr<ImagePatches> a, std::unique_ptr<ImagePatches> b, CheckOps& both)
      : ImagePatches(a->grid_h(), a->grid_w()), subject(std::move(a)), oracle(std::move(b)), ops(both) {}
  void read(i64 first, Matrix y) const override;
  std::unique_ptr<ImagePatches> subject, oracle;
  CheckOps& ops;
};

/// A dense host copy of a view of the subject, for the oracle to work on.
template <class T, std::size_t R>
class HostCopy {
 public:
  HostCopy(Ops& ops, const Tensor<const T, R>& from)
      : values_(static_cast<std::size_t>(from.size())), view_(values_.data(), from.shape) {
    const i64 row = from.shape[R - 1];
    assert(row == 1 || from.stride[R - 1] == 1);
    std::array<i64, R> at{};
    for (i64 done = 0; done < from.size(); done += row) {
      i64 offset = 0;
      for (std::size_t r = 0; r + 1 < R; ++r) offset += at[r] * from.stride[r];
      ops.download(from.data + offset, values_.data() + done, std::size_t(row) * sizeof(T));
      for (std::size_t r = R - 1; r > 0 && ++at[r - 1] == from.shape[r - 1]; --r) at[r - 1] = 0;
    }
  }
  const Tensor<T, R>& view() const noexcept { return view_; }
  const std::vector<T>& values() const noexcept { return values_; }

 private:
  std::vector<T> values_;
  Tensor<T, R> view_;
};

template <class T, std::size_t R>
HostCopy(Ops&, const Tensor<T, R>&) -> HostCopy<std::remove_const_t<T>, R>;

class HostNorm {
 public:
  HostNorm(Ops& ops, const Norm& norm)
      : norm_(norm), weight_(ops, norm.weight), bias_(ops, norm.bias.data ? norm.bias : norm.weight) {}
  Norm view() const noexcept {
    return {weight_.view(), norm_.bias.data ? ConstVector(bias_.view()) : ConstVector(), norm_.eps};
  }

 private:
  Norm norm_;
  HostCopy<float, 1> weight_, bias_;
};

class CheckOps final : public Ops {
 public:
  CheckOps(std::unique_ptr<Ops> subject, std::unique_ptr<Ops> oracle, double tolerance)
      : subject_(std::move(subject)),
        oracle_(std::move(oracle)),
        tolerance_(tolerance),
        name_("check(" + std::string(subject_->name()) + ", " + std::string(oracle_->name()) + ")") {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view isa() const noexcept override { return subject_->isa(); }
  int threads() const noexcept override { return subject_->threads(); }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return subject_->allocate(bytes); }
  void upload(const void* host, void* device, std::size_t bytes) override {
    subject_->upload(host, device, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    subject_->download(device, host, bytes);
  }
  std::size_t free_bytes() override { return subject_->free_bytes(); }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    return std::make_unique<CheckedWeight>(subject_->make_weight(parts, format),
                                           oracle_->make_weight(parts, format));
  }
  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    return std::make_unique<CheckedKvCache>(shape, subject_->make_kv_cache(shape),
                                            oracle_->make_kv_cache(shape));
  }

  std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                             const ProcessorConfig& config, Team* team) override {
    return std::make_unique<CheckedPatches>(subject_->make_patches(image, shrunk, config, team),
                                            oracle_->make_patches(image, shrunk, config, team), *this);
  }
  void read(const CheckedPatches& patches, i64 first, Matrix y) {
    patches.subject->read(first, y);
    const HostCopy want(*subject_, ConstMatrix(y));
    patches.oracle->read(first, want.view());
    compare("patches", y, want);
  }

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    const auto& weight = static_cast<const CheckedWeight&>(w);
    const HostCopy in(*subject_, x), want(*subject_, y);
    subject_->linear(x, *weight.subject, y, store);
    oracle_->linear(in.view(), *weight.oracle, want.view(), store);
    compare("linear", y, want);
  }

  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    const auto& weight = static_cast<const CheckedWeight&>(table);
    const HostCopy want(*subject_, y);
    subject_->embedding(*weight.subject, ids, y);
    oracle_->embedding(*weight.oracle, ids, want.view());
    compare("embedding", y, want);
  }

  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override {
    both(
        "gather", y,
        [&, host = on_host(rows)](Ops& ops, ConstMatrix a, Matrix out) {
          &ops == subject_.get() ? ops.gather(a, rows, out) : ops.gather(a, host, out);
        },
        x);
  }

  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    const auto run = [&](Ops& ops, ConstMatrix in, ConstVector w, ConstVector b, Matrix out) {
      ops.layer_norm(in, w, b, eps, out);
    };
    both("layer_norm", y, run, x, weight, bias);
  }

  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    both(
        "rms_norm", y,
        [&](Ops& ops, ConstMatrix in, ConstVector w, Matrix out) { ops.rms_norm(in, w, eps, out); }, x,
        weight);
  }

  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    both(
        "rope", x, [&](Ops& ops, ConstMatrix c, ConstMatrix s, Cube out) { ops.rope(out, c, s, layout); },
        cos, sin);
  }

  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    both(
        "gelu", y, [&](Ops& ops, ConstMatrix in, Matrix out) { ops.gelu(in, kind, out); }, x);
  }

  void swiglu(ConstMatrix gate_up, Matrix y) override {
    both(
        "swiglu", y, [&](Ops& ops, ConstMatrix in, Matrix out) { ops.swiglu(in, out); }, gate_up);
  }

  void bicubic_grid(ConstCube grid, Cube y) override {
    both(
        "bicubic_grid", y, [&](Ops& ops, ConstCube in, Cube out) { ops.bicubic_grid(in, out); }, grid);
  }

  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    auto& kv = static_cast<CheckedKvCache&>(cache);
    subject_->kv_write(*kv.subject, layer, first, k, v);
    oracle_->kv_write(*kv.oracle, layer, first, HostCopy(*subject_, k).view(), HostCopy(*subject_, v).view());
  }

  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    std::vector<KvRows> subject_rows(rows.begin(), rows.end()), oracle_rows = subject_rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& kv = static_cast<const CheckedKvCache&>(*rows[i].cache);
      subject_rows[i].cache = kv.subject.get();
      oracle_rows[i].cache = kv.oracle.get();
    }
    const HostCopy in(*subject_, q), want(*subject_, out);
    subject_->attention(q, subject_rows, visible, scale, out);
    oracle_->attention(in.view(), oracle_rows, on_host(visible), scale, want.view());
    compare("attention", out, want);
  }

  /// Probabilities beside the oracle's; what is equal there may not be here, so the summary beside these probabilities.
  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    const HostCopy want(*subject_, x);
    HostCopy<float, 2> summaries(*subject_, y);
    subject_->summarize(x, ids, y);
    oracle_->summarize(want.view(), ids, summaries.view());
    compare("summarize", x, want);
    const HostCopy<float, 2> probabilities(*subject_, x);
    for (i64 t = 0; t < x.shape[0]; ++t)
      write_summary(std::span(probabilities.view().row(t), std::size_t(x.shape[1])), ids,
                    summaries.view().row(t));
    compare("summarize", y, summaries);
  }

  void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                  Matrix y) override {
    const auto& weight = static_cast<const CheckedWeight&>(table);
    const HostCopy in(*subject_, summaries), want(*subject_, y);
    subject_->embed_best(*weight.subject, summaries, rows, y);
    oracle_->embed_best(*weight.oracle, in.view(), rows, want.view());
    compare("embed_best", y, want);
  }

  void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                     const SpecialTokens& special, const BlockFeed& feed) override {
    const HostCopy in(*subject_, summaries), ids(*subject_, feed.ids);
    std::vector<std::int32_t> angles(feed.angles.size()), wanted(feed.wanted.size());
    std::vector<KeyMask> visible(feed.visible.size()), wanted_visible(feed.wanted_visible.size());
    subject_->follow_blocks(summaries, blocks, special, feed);
    oracle_->follow_blocks(in.view(), blocks, special, {ids.view(), angles, visible, wanted, wanted_visible});
    compare("follow_blocks", feed.ids, ids);
    compare_lists<std::int32_t>("follow_blocks: angles", feed.angles, angles);
    compare_lists<std::int32_t>("follow_blocks: wanted", feed.wanted, wanted);
    compare_lists<KeyMask>("follow_blocks: visible", feed.visible, visible);
    compare_lists<KeyMask>("follow_blocks: visible of wanted", feed.wanted_visible, wanted_visible);
  }

  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    const HostCopy in(*subject_, x), between(*subject_, h);
    const HostNorm norm(*subject_, n);
    std::vector<HostCopy<float, 2>> want;
    std::vector<Projection> of_subject, of_oracle;
    want.reserve(projections.size());
    for (const Projection& p : projections) {
      const auto& weight = static_cast<const CheckedWeight&>(p.weight);
      of_subject.push_back({*weight.subject, p.y});
      of_oracle.push_back({*weight.oracle, want.emplace_back(*subject_, ConstMatrix(p.y)).view()});
    }
    subject_->project(x, n, h, of_subject);
    oracle_->project(in.view(), norm.view(), between.view(), of_oracle);
    for (std::size_t i = 0; i < want.size(); ++i) compare("project", projections[i].y, want[i]);
  }

  /// Keys and values are compared by what attention makes of them.
  void project_heads(ConstMatrix x, const Norm& n, const Weight& w, const RopeAngles& angles,
                     std::span<const KvTokens> rows, i64 layer, Matrix h, Matrix qkv) override {
    const auto& weight = static_cast<const CheckedWeight&>(w);
    const HostCopy in(*subject_, x), between(*subject_, h), all(*subject_, qkv);
    const HostCopy cosines(*subject_, angles.cos), sines(*subject_, angles.sin);
    const HostNorm norm(*subject_, n);
    std::vector<KvTokens> of_subject(rows.begin(), rows.end()), of_oracle = of_subject;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& kv = static_cast<CheckedKvCache&>(*rows[i].cache);
      of_subject[i].cache = kv.subject.get();
      of_oracle[i].cache = kv.oracle.get();
    }
    subject_->project_heads(x, n, *weight.subject, angles, of_subject, layer, h, qkv);
    oracle_->project_heads(in.view(), norm.view(), *weight.oracle,
                           {cosines.view(), sines.view(), angles.layout}, of_oracle, layer, between.view(),
                           all.view());
    const KvShape& shape = rows[0].cache->shape();
    const i64 queries = qkv.shape[1] - 2 * shape.heads * shape.head_size;
    HostCopy<float, 2> want(*subject_, qkv.columns(0, queries));
    for (i64 t = 0; t < qkv.shape[0]; ++t)
      std::memcpy(want.view().row(t), all.view().row(t), std::size_t(queries) * sizeof(float));
    compare("project_heads", qkv.columns(0, queries), want);
  }

  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner, Matrix wide, Matrix y,
                    Store store) override {
    const HostCopy in(*subject_, x), want(*subject_, y);
    const HostCopy a(*subject_, h), b(*subject_, inner), c(*subject_, wide);
    const HostNorm norm(*subject_, f.norm);
    subject_->feed_forward(x, of_subject(f), h, inner, wide, y, store);
    oracle_->feed_forward(in.view(), of_oracle(f, norm), a.view(), b.view(), c.view(), want.view(), store);
    compare("feed_forward", y, want);
  }

  void mix(ConstMatrix attended, const Weight& o, const FeedForward& f, Matrix h, Matrix inner, Matrix wide,
           Matrix x) override {
    const auto& weight = static_cast<const CheckedWeight&>(o);
    const HostCopy in(*subject_, attended), want(*subject_, x);
    const HostCopy a(*subject_, h), b(*subject_, inner), c(*subject_, wide);
    const HostNorm norm(*subject_, f.norm);
    subject_->mix(attended, *weight.subject, of_subject(f), h, inner, wide, x);
    oracle_->mix(in.view(), *weight.oracle, of_oracle(f, norm), a.view(), b.view(), c.view(), want.view());
    compare("mix", x, want);
  }

  void self_attention(KvCache& cache, i64 layer, Cube q, Cube k, ConstCube v, ConstMatrix cos,
                      ConstMatrix sin, Rope layout, float scale) override {
    auto& kv = static_cast<CheckedKvCache&>(cache);
    const HostCopy want(*subject_, q), keys(*subject_, k), values(*subject_, v);
    const HostCopy cosines(*subject_, cos), sines(*subject_, sin);
    subject_->self_attention(*kv.subject, layer, q, k, v, cos, sin, layout, scale);
    oracle_->self_attention(*kv.oracle, layer, want.view(), keys.view(), values.view(), cosines.view(),
                            sines.view(), layout, scale);
    compare("self_attention", q, want);
  }

 private:
  static FeedForward of_subject(const FeedForward& f) noexcept {
    return {f.norm, *static_cast<const CheckedWeight&>(f.in).subject, f.activation,
            *static_cast<const CheckedWeight&>(f.out).subject};
  }
  static FeedForward of_oracle(const FeedForward& f, const HostNorm& norm) noexcept {
    return {norm.view(), *static_cast<const CheckedWeight&>(f.in).oracle, f.activation,
            *static_cast<const CheckedWeight&>(f.out).oracle};
  }

  /// Runs an op on both, given its output and its inputs.
  template <std::size_t R, class Run, class... In>
  void both(const char* op, Tensor<float, R> out, const Run& run, const In&... in) {
    const HostCopy want(*subject_, out);
    [&](const auto&... copies) {
      run(*subject_, in..., out);
      run(*oracle_, copies.view()..., want.view());
    }(HostCopy(*subject_, in)...);
    compare(op, out, want);
  }

  /// The values of a list, wherever they are.
  template <class T>
  std::vector<T> on_host(const List<T>& list) {
    const std::span<const T> values = list.values();
    if (!list.in_backend()) return {values.begin(), values.end()};
    std::vector<T> copy(values.size());
    subject_->download(values.data(), copy.data(), values.size_bytes());
    return copy;
  }
  /// Whole numbers, which are equal.
  template <class T>
  void compare_lists(const char* what, std::span<T> view, const std::vector<T>& want) {
    const std::vector<T> got = on_host(List<T>::in_backend(view));
    if (std::memcmp(got.data(), want.data(), view.size_bytes()) != 0)
      fail("check: ", what, ": ", subject_->name(), " gives other numbers than ", oracle_->name());
  }

  template <std::size_t R>
  void compare(const char* op, const Tensor<float, R>& view, const HostCopy<float, R>& want) {
    ++calls_;
    const HostCopy<float, R> got(*subject_, view);
    double magnitude = 0, worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < want.values().size(); ++i) {
      const double a = double(got.values()[i]), b = double(want.values()[i]);
      magnitude = std::max(magnitude, std::abs(b));
      const double difference = is_nan(a) && is_nan(b) ? 0 : std::abs(a - b);
      if (is_nan(difference) || difference > worst) {
        worst = is_nan(difference) ? std::numeric_limits<double>::infinity() : difference;
        at = i;
      }
    }
    if (worst <= tolerance_ * magnitude) return;
    fail("check: op ", op, ", call ", calls_, ", element ", at, " of ", want.values().size(), ": ",
         subject_->name(), " gives ", got.values()[at], ", ", oracle_->name(), " gives ", want.values()[at],
         "; largest magnitude ", magnitude, ", tolerance ", tolerance_);
  }

  std::unique_ptr<Ops> subject_, oracle_;
  double tolerance_;
  std::string name_;
  i64 calls_ = 0;
};

LA_INLINE void CheckedPatches::read(i64 first, Matrix y) const {
  ops.read(*this, first, y);
}

}  // namespace detail

LA_INLINE std::unique_ptr<Ops> make_check_ops(std::unique_ptr<Ops> subject, std::unique_ptr<Ops> oracle,
                                              double tolerance) {
  return std::make_unique<detail::CheckOps>(std::move(subject), std::move(oracle), tolerance);
}

}  // namespace la::inline LA_ABI
