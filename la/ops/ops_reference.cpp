#include "ops_reference.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "../core/parallel.hpp"
#include "../core/scalar.hpp"
#include "../core/storage.hpp"
#include "grid_taps.hpp"
#include "../weights/group_quantizer.hpp"
#include "../weights/pack_panel.hpp"
#include "../weights/packed_weight.hpp"
#include "../weights/weight_rows.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Row-major f32, as the formula reads.
struct ReferenceWeight final : Weight {
  ReferenceWeight(i64 n, i64 k) : Weight(n, k), values(std::size_t(n * k)) {}
  std::size_t bytes() const noexcept override { return (values.size() + bias.size()) * sizeof(float); }
  std::string_view format() const noexcept override { return "f32"; }
  i64 group = 0;              // inputs that share a scale; 0 when every weight stands for itself
  std::vector<float> values;  // [N, K], dequantised
  std::vector<float> bias;    // [N] or empty
};

/// One row of G * D values a token and layer.
struct ReferenceKvCache final : KvCache {
  explicit ReferenceKvCache(const KvShape& s)
      : KvCache(s), k(std::size_t(s.layers)), v(std::size_t(s.layers)) {}
  i64 row_size() const noexcept { return shape_.heads * shape_.head_size; }
  void extend(i64 tokens) override { resize(length_ + tokens); }
  void truncate(i64 length) override { resize(length); }
  std::unique_ptr<KvCache> fork(i64 length) const override {
    auto copy = std::make_unique<ReferenceKvCache>(*this);
    copy->truncate(length);
    return copy;
  }
  std::size_t own_bytes(i64 tokens, i64) const noexcept override {
    return std::size_t(2 * shape_.layers * tokens * row_size()) * sizeof(float);
  }
  void resize(i64 length) {
    length_ = length;
    for (auto* side : {&k, &v})
      for (auto& layer : *side) layer.resize(std::size_t(length * row_size()));
  }
  std::vector<std::vector<float>> k, v;
};

class ReferenceOps final : public Ops {
 public:
  ReferenceOps(std::shared_ptr<Team> team, ActivationFormat activations)
      : team_(std::move(team)), activations_(activations) {}

  std::string_view name() const noexcept override { return "reference"; }
  int threads() const noexcept override { return team_->width(); }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    auto storage = std::make_shared<Storage>(bytes);
    return {storage, storage->data()};
  }
  void upload(const void* host, void* device, std::size_t bytes) override {
    std::memcpy(device, host, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    std::memcpy(host, device, bytes);
  }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    const StackShape stacked(parts);
    auto weight = std::make_unique<ReferenceWeight>(stacked.outputs, stacked.inputs);
    const PanelFormat held = PackedWeight::choose_format(parts, format);
    const WeightRows rows(parts, stacked.inputs);
    std::vector<float> scratch;
    for (i64 n = 0; n < stacked.outputs; ++n) {
      float* out = weight->values.data() + n * stacked.inputs;
      each_input(rows.read(n, 1, scratch)[0], 0, stacked.inputs,
                 [&](i64 k, auto x) { out[k] = to_float(x); });
    }
    const bool exact = lossless_format(parts) == held || (parts[0].panels && parts[0].panels->format == held);
    if (!exact) round_to(format, weight->values, stacked.inputs);
    weight->group = group_size(held);
    for (const WeightPart& part : parts) release(part);
    weight->bias = stacked.bias(parts);
    return weight;
  }

  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    return std::make_unique<ReferenceKvCache>(shape);
  }

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    const auto& weight = static_cast<const ReferenceWeight&>(w);
    const i64 n = w.outputs(), k = w.inputs();
    std::vector<float> in(std::size_t(x.shape[0] * k));
    for (i64 t = 0; t < x.shape[0]; ++t)
      for (i64 j = 0; j < k; ++j) in[std::size_t(t * k + j)] = x(t, j);
    if (weight.group > 0 && activations_ != ActivationFormat::f32) round_activations(in, k, weight.group);
    each(x.shape[0] * n, [&](i64 i) {
      const i64 t = i / n, row = i % n;
      const float *a = in.data() + t * k, *b = weight.values.data() + row * k;
      double sum = 0;
      for (i64 j = 0; j < k; ++j) sum += double(a[j]) * double(b[j]);
      if (!weight.bias.empty()) sum += double(weight.bias[std::size_t(row)]);
      y(t, row) = float(store == Store::add ? double(y(t, row)) + sum : sum);
    });
  }

  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    const auto& weight = static_cast<const ReferenceWeight&>(table);
    for (i64 t = 0; t < y.shape[0]; ++t)
      for (i64 c = 0; c < y.shape[1]; ++c)
        y(t, c) = weight.values[std::size_t(ids[std::size_t(t)] * table.inputs() + c)];
  }

  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override {
    for (i64 t = 0; t < y.shape[0]; ++t)
      for (i64 c = 0; c < y.shape[1]; ++c) y(t, c) = x(rows[std::size_t(t)], c);
  }

  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    each(x.shape[0], [&](i64 t) {
      const i64 channels = x.shape[1];
      double mean = 0, variance = 0;
      for (i64 c = 0; c < channels; ++c) mean += double(x(t, c)) / double(channels);
      for (i64 c = 0; c < channels; ++c)
        variance += (double(x(t, c)) - mean) * (double(x(t, c)) - mean) / double(channels);
      for (i64 c = 0; c < channels; ++c)
        y(t, c) = float((double(x(t, c)) - mean) / std::sqrt(variance + double(eps)) * double(weight(c)) +
                        double(bias(c)));
    });
  }

  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    each(x.shape[0], [&](i64 t) {
      const i64 channels = x.shape[1];
      double square = 0;
      for (i64 c = 0; c < channels; ++c) square += double(x(t, c)) * double(x(t, c)) / double(channels);
      for (i64 c = 0; c < channels; ++c)
        y(t, c) = float(double(x(t, c)) / std::sqrt(square + double(eps)) * double(weight(c)));
    });
  }

  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    const i64 half = x.shape[2] / 2;
    for (i64 t = 0; t < x.shape[0]; ++t)
      for (i64 h = 0; h < x.shape[1]; ++h)
        for (i64 p = 0; p < half; ++p) {
          float& a = x(t, h, layout == Rope::interleaved ? 2 * p : p);
          float& b = x(t, h, layout == Rope::interleaved ? 2 * p + 1 : p + half);
          const double u = double(a), v = double(b), c = double(cos(t, p)), s = double(sin(t, p));
          a = float(u * c - v * s);
          b = float(u * s + v * c);
        }
  }

  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    const double tanh_scale = std::sqrt(2 / std::numbers::pi);
    each(x.shape[0], [&](i64 t) {
      for (i64 c = 0; c < x.shape[1]; ++c) {
        const double v = double(x(t, c));
        const double gate = kind == Gelu::tanh ? std::tanh(tanh_scale * (v + 0.044715 * v * v * v))
                                               : std::erf(v / std::numbers::sqrt2);
        y(t, c) = float(v / 2 * (1 + gate));
      }
    });
  }

  void swiglu(ConstMatrix gate_up, Matrix y) override {
    const i64 f = y.shape[1];
    each(y.shape[0], [&](i64 t) {
      for (i64 c = 0; c < f; ++c) {
        const double gate = double(gate_up(t, c)), up = double(gate_up(t, f + c));
        y(t, c) = float(gate / (1 + std::exp(-gate)) * up);
      }
    });
  }

  void bicubic_grid(ConstCube grid, Cube y) override {
    const auto rows = grid_taps(grid.shape[0], y.shape[0]), columns = grid_taps(grid.shape[1], y.shape[1]);
    each(y.size(), [&](i64 at) {
      const i64 c = at % y.shape[2], j = at / y.shape[2] % y.shape[1], i = at / y.shape[2] / y.shape[1];
      const GridTaps &r = rows[std::size_t(i)], &s = columns[std::size_t(j)];
      double sum = 0;
      for (int a = 0; a < 4; ++a)
        for (int b = 0; b < 4; ++b)
          sum += double(r.weight[a]) * double(s.weight[b]) * double(grid(r.index[a], s.index[b], c));
      y(i, j, c) = float(sum);
    });
  }

  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    auto& kv = static_cast<ReferenceKvCache&>(cache);
    for (i64 t = 0; t < k.shape[0]; ++t)
      for (i64 g = 0; g < k.shape[1]; ++g)
        for (i64 d = 0; d < k.shape[2]; ++d) {
          const auto at = std::size_t((first + t) * kv.row_size() + g * k.shape[2] + d);
          kv.k[std::size_t(layer)][at] = k(t, g, d);
          kv.v[std::size_t(layer)][at] = v(t, g, d);
        }
  }

  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    for (const KvRows& span : rows) {
      const auto& kv = static_cast<const ReferenceKvCache&>(*span.cache);
      each(span.count * q.shape[1], [&](i64 i) {
        const i64 t = span.begin + i / q.shape[1], h = i % q.shape[1];
        attend(q, kv, span.layer, t, h, visible[std::size_t(t)], scale, out);
      });
    }
  }

  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    each(x.shape[0], [&](i64 t) {
      double max = std::numeric_limits<double>::lowest(), sum = 0;
      for (i64 c = 0; c < x.shape[1]; ++c) max = std::max(max, double(x(t, c)));
      if (max == std::numeric_limits<double>::lowest()) max = 0;
      for (i64 c = 0; c < x.shape[1]; ++c) sum += std::exp(double(x(t, c)) - max);
      for (i64 c = 0; c < x.shape[1]; ++c)
        x(t, c) = sum == 0 ? 0.0f : float(std::exp(double(x(t, c)) - max) / sum);
      write_summary(std::span(x.row(t), std::size_t(x.shape[1])), ids, y.row(t));
    });
  }

 private:
  /// Each row of k weights as the format holds it.
  static void round_to(WeightFormat format, std::span<float> rows, i64 k) {
    if (format == WeightFormat::bf16)
      for (float& x : rows) x = to_float(to_bf16(x));
    if (format == WeightFormat::q8) round_groups<Q8Group>(rows, k, 128);
    if (format == WeightFormat::q4) round_groups<Q4Group>(rows, k, 32);
  }

  template <class Group>
  static void round_groups(std::span<float> rows, i64 k, i64 size) {
    for_each_group(rows, k, size, [](std::span<float> w) {
      const Group group(w);
      for (float& x : w) x = group.value(group.code(x));
    });
  }

  /// x = scale * round(x / scale), scale = max|x| / 127 of the group.
  static void round_activations(std::span<float> rows, i64 k, i64 size) {
    for_each_group(rows, k, size, [](std::span<float> x) {
      float largest = 0;
      for (float v : x) largest = std::max(largest, std::abs(v));
      if (largest == 0) return;
      const float inverse = 127 / largest;
      for (float& v : x) v = largest / 127 * float(std::nearbyint(double(v) * double(inverse)));
    });
  }

  template <class Body>
  static void for_each_group(std::span<float> rows, i64 k, i64 size, const Body& body) {
    for (std::size_t row = 0; row < rows.size(); row += std::size_t(k))
      for (i64 first = 0; first < k; first += size)
        body(rows.subspan(row + std::size_t(first), std::size_t(std::min(size, k - first))));
  }

  template <class Body>
  void each(i64 n, const Body& body) const {
    parallel_for(n, team_.get(), [&](i64 begin, i64 end, int) {
      for (i64 i = begin; i < end; ++i) body(i);
    });
  }

  static void attend(ConstCube q, const ReferenceKvCache& kv, i64 layer, i64 t, i64 h, KeyMask visible,
                     float scale, Cube out) {
    const i64 size = q.shape[2], g = h / (q.shape[1] / kv.shape().heads);
    const float* k = kv.k[std::size_t(layer)].data() + g * size;
    const float* v = kv.v[std::size_t(layer)].data() + g * size;
    std::vector<i64> keys;
    for (i64 j = 0; j < visible.prefix; ++j) keys.push_back(j);
    for (i64 j = std::max(visible.prefix, visible.window_begin); j < visible.window_end; ++j)
      keys.push_back(j);

    std::vector<double> p, sum(std::size_t(size), 0.0);
    double max = std::numeric_limits<double>::lowest(), total = 0;
    for (i64 key : keys) {
      double score = 0;
      for (i64 d = 0; d < size; ++d) score += double(q(t, h, d)) * double(k[key * kv.row_size() + d]);
      p.push_back(score * double(scale));
      max = std::max(max, p.back());
    }
    if (max == std::numeric_limits<double>::lowest()) max = 0;
    for (double& x : p) total += x = std::exp(x - max);
    for (std::size_t j = 0; j < keys.size(); ++j)
      for (i64 d = 0; d < size; ++d) sum[std::size_t(d)] += p[j] * double(v[keys[j] * kv.row_size() + d]);
    for (i64 d = 0; d < size; ++d) out(t, h, d) = total == 0 ? 0.0f : float(sum[std::size_t(d)] / total);
  }

  std::shared_ptr<Team> team_;
  ActivationFormat activations_;
};

}  // namespace detail

LA_INLINE std::unique_ptr<Ops> make_reference_ops(int threads, ActivationFormat activations,
                                                  std::shared_ptr<Team> team) {
  if (!team) team = std::make_shared<Team>(threads);
  return std::make_unique<detail::ReferenceOps>(std::move(team), activations);
}

}  // namespace la::inline LA_ABI
