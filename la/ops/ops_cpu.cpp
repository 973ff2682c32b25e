#include "ops_cpu.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../core/parallel.hpp"
#include "../core/storage.hpp"
#include "grid_taps.hpp"
#include "../weights/packed_weight.hpp"
#include "paged_kv_cache.hpp"
#include "select_isa.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Measured with benchmarks/speculation on two cores of Zen 4, 4 bits: passes of 12 rows take 2.0 (VNNI), 2.8 (AVX-512) and
/// 3.6 (AVX2) single steps, and where the weights fit the caches 4.5. The others by their dot products a cycle, beside these.
inline double rows_per_read(std::string_view isa, std::size_t weight_bytes) noexcept {
  constexpr std::size_t kInCaches = std::size_t{32} << 20;
  if (weight_bytes <= kInCaches) return 2;
  if (isa == "avx512vnni" || isa == "amx") return 10;
  if (isa == "avx512" || isa == "avxvnni" || isa == "neondot" || isa == "neoni8mm") return 5;
  return isa == "scalar" ? 0.5 : 3;
}

class CpuOps final : public Ops {
 public:
  explicit CpuOps(const CpuOptions& options)
      : kernels_(select_isa(options.isa)),
        team_(options.team ? options.team : std::make_shared<Team>(options.threads)),
        memory_(options.memory),
        activations_(options.activations),
        name_(std::string("cpu ") + kernels_.isa) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view isa() const noexcept override { return kernels_.isa; }
  int threads() const noexcept override { return team_->width(); }
  double rows_per_read(std::size_t weight_bytes) const noexcept override {
    return detail::rows_per_read(kernels_.isa, weight_bytes);
  }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    auto storage = std::make_shared<Storage>(bytes, memory_);
    return {storage, storage->data()};
  }
  void upload(const void* host, void* device, std::size_t bytes) override {
    std::memcpy(device, host, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    std::memcpy(host, device, bytes);
  }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    return PackedWeight::pack(parts, format, team_.get(), memory_);
  }
  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    return std::make_unique<PagedKvCache>(shape, memory_);
  }

  void linear(ConstMatrix x, const Weight& weight, Matrix y, Store store) override {
    const auto& w = static_cast<const PackedWeight&>(weight);
    assert(x.shape[1] == w.inputs() && y.shape[1] == w.outputs() && x.shape[0] == y.shape[0]);
    const i64 group = group_size(w.panel_format());
    if (group == 0 || activations_ == ActivationFormat::f32)
      float_linear(x, w, y, store);
    else
      integer_linear(x, w, y, store, group);
  }

  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    const auto& w = static_cast<const PackedWeight&>(table);
    each_row(y.shape[0], y.shape[1], [&](i64 t) { w.row(ids[std::size_t(t)], y.row(t)); });
  }

  void gather(ConstMatrix x, std::span<const std::int32_t> rows, Matrix y) override {
    each_row(y.shape[0], y.shape[1], [&](i64 t) {
      std::memcpy(y.row(t), x.row(rows[std::size_t(t)]), std::size_t(y.shape[1]) * sizeof(float));
    });
  }

  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    each_row(x.shape[0], x.shape[1], [&](i64 t) {
      kernels_.layer_norm(x.row(t), weight.data, bias.data, eps, x.shape[1], y.row(t));
    });
  }

  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    each_row(x.shape[0], x.shape[1],
             [&](i64 t) { kernels_.rms_norm(x.row(t), weight.data, eps, x.shape[1], y.row(t)); });
  }

  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    const auto turn = layout == Rope::interleaved ? kernels_.rope_interleaved : kernels_.rope_halves;
    each_row(x.shape[0], x.shape[1] * x.shape[2], [&](i64 t) {
      for (i64 h = 0; h < x.shape[1]; ++h)
        turn(x.row(t) + h * x.stride[1], cos.row(t), sin.row(t), x.shape[2]);
    });
  }

  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    const auto apply = kind == Gelu::tanh ? kernels_.gelu_tanh : kernels_.gelu_erf;
    each_row(x.shape[0], x.shape[1], [&](i64 t) { apply(x.row(t), x.shape[1], y.row(t)); });
  }

  void swiglu(ConstMatrix gate_up, Matrix y) override {
    const i64 f = y.shape[1];
    each_row(y.shape[0], f, [&](i64 t) { kernels_.swiglu(gate_up.row(t), gate_up.row(t) + f, f, y.row(t)); });
  }

  void bicubic_grid(ConstCube grid, Cube y) override {
    const auto rows = grid_taps(grid.shape[0], y.shape[0]), columns = grid_taps(grid.shape[1], y.shape[1]);
    const i64 channels = y.shape[2];
    parallel_for(y.shape[0], team_.get(), [&](i64 begin, i64 end, int) {
      for (i64 i = begin; i < end; ++i)
        for (i64 j = 0; j < y.shape[1]; ++j) {
          float* out = &y(i, j, 0);
          std::fill_n(out, channels, 0.0f);
          for (int a = 0; a < 4; ++a)
            for (int b = 0; b < 4; ++b) {
              const GridTaps &r = rows[std::size_t(i)], &c = columns[std::size_t(j)];
              const float weight = r.weight[a] * c.weight[b];
              const float* in = &grid(r.index[a], c.index[b], 0);
              for (i64 k = 0; k < channels; ++k) out[k] += weight * in[k];
            }
        }
    });
  }

  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    auto& kv = static_cast<PagedKvCache&>(cache);
    each_row(k.shape[0], k.shape[1] * k.shape[2], [&](i64 t) {
      for (i64 g = 0; g < k.shape[1]; ++g)
        kv.write(layer, g, first + t, k.row(t) + g * k.stride[1], k.stride[2], v.row(t) + g * v.stride[1],
                 v.stride[2]);
    });
  }

  void attention(ConstCube q, std::span<const KvRows> rows, std::span<const KeyMask> visible, float scale,
                 Cube out) override {
    const i64 heads = q.shape[1], size = q.shape[2];
    // A task is up to 48 (token, head) pairs that share a key/value head, so that its pages are read once for all.
    std::vector<AttentionTask> tasks;
    for (const KvRows& span : rows) {
      const i64 kv_heads = span.cache->shape().heads, group = heads / kv_heads, pairs = span.count * group;
      for (i64 g = 0; g < kv_heads; ++g)
        for (i64 first = 0; first < pairs; first += kernels::kAttentionRows)
          tasks.push_back({&span, g, first, std::min<i64>(kernels::kAttentionRows, pairs - first)});
    }
    // Dealt one by one: causal tasks grow along the sequence, and neighbours share their pages in the last cache.
    const auto work = [&](i64 begin, i64 end, int worker) {
      for (i64 i = begin; i < end; ++i)
        attend(q, tasks[std::size_t(i)], heads, visible, scale, out,
               scratch(worker, kernels::attention_scratch(size)));
    };
    team_->run(Phase(i64(tasks.size()), 1, work), int(std::min<i64>(threads(), i64(tasks.size()))));
  }

  void softmax(Matrix x) override {
    each_row(x.shape[0], x.shape[1], [&](i64 t) { kernels_.softmax(x.row(t), x.shape[1]); });
  }

 private:
  /// A part of y = x W^T.
  struct OutputTile {
    i64 m0, m, n0, n;
  };

  /// How y = x W^T is cut: an item is a panel; only when there are more workers than panels are rows split too.
  class OutputTiles {
   public:
    OutputTiles(i64 rows, const PackedWeight& w, i64 workers) noexcept
        : rows_(rows),
          outputs_(w.outputs()),
          panels_((outputs_ + kernels::kPanel - 1) / kernels::kPanel),
          row_parts_(std::clamp<i64>(workers / panels_, 1, std::max<i64>(rows, 1))),
          min_items_(min_panels(rows * w.inputs() * kernels::kPanel, workers)) {}

    i64 items() const noexcept { return panels_ * row_parts_; }
    /// Of a piece: some 20 microseconds, below which a call costs more than waiting for it, but work for all workers.
    i64 min_items() const noexcept { return min_items_; }

    template <class Multiply>
    void each(i64 begin, i64 end, const Multiply& multiply) const {
      if (row_parts_ == 1) return multiply(tile(0, rows_, begin, end));
      for (i64 i = begin; i < end; ++i) {
        const auto [m0, m1] = share(rows_, i % row_parts_, row_parts_);
        multiply(tile(m0, m1, i / row_parts_, i / row_parts_ + 1));
      }
    }

   private:
    i64 min_panels(i64 panel_work, i64 workers) const noexcept {
      constexpr i64 piece_work = 1 << 22;  // multiplications
      return std::clamp<i64>(std::min(piece_work / std::max<i64>(panel_work, 1), panels_ / (4 * workers)), 1,
                             8);
    }

    OutputTile tile(i64 m0, i64 m1, i64 p0, i64 p1) const noexcept {
      const i64 n0 = p0 * kernels::kPanel;
      return {m0, m1 - m0, n0, std::min(p1 * kernels::kPanel, outputs_) - n0};
    }

    const i64 rows_, outputs_, panels_, row_parts_, min_items_;
  };

  void float_linear(ConstMatrix x, const PackedWeight& w, Matrix y, Store store) {
    const auto kernel = kernels_.gemm[w.panel_format()];
    const auto multiply = [&](const OutputTile& part, int worker) {
      kernels::Gemm g;
      g.a = x.row(part.m0);
      g.lda = x.stride[0];
      g.panels = w.panels(part.n0);
      g.bias = w.bias() ? w.bias() + part.n0 : nullptr;
      g.c = y.row(part.m0) + part.n0;
      g.ldc = y.stride[0];
      g.m = part.m;
      g.n = part.n;
      g.k = w.inputs();
      g.store = store;
      g.scratch = scratch(worker, kernels::kGemmScratch);
      kernel(g);
    };
    const OutputTiles tiles(x.shape[0], w, threads());
    team_->run(Phase(tiles.items(), tiles.min_items(), [&](i64 begin, i64 end, int worker) {
      tiles.each(begin, end, [&](const OutputTile& part) { multiply(part, worker); });
    }));
  }

  /// Quantises the rows, then multiplies: two phases of one parallel region.
  void integer_linear(ConstMatrix x, const PackedWeight& w, Matrix y, Store store, i64 group) {
    const i64 rows = x.shape[0], groups = (w.inputs() + group - 1) / group;
    const i64 stride = kernels::quantized_stride(w.inputs());
    grow(codes_, std::size_t(rows * stride));
    grow(scales_, std::size_t(rows * groups) * sizeof(float));
    grow(sums_, std::size_t(rows * groups) * sizeof(float));
    const auto quantize = [&](i64 begin, i64 end, int) {
      for (i64 t = begin; t < end; ++t)
        kernels_.quantize({x.row(t), w.inputs(), group, codes_.as<std::int8_t>() + t * stride,
                           scales_.as<float>() + t * groups, sums_.as<float>() + t * groups});
    };
    const auto kernel = kernels_.qgemm[w.panel_format()];
    const auto multiply = [&](const OutputTile& part, int worker) {
      kernels::QGemm g;
      g.a = {codes_.as<std::int8_t>() + part.m0 * stride, scales_.as<float>() + part.m0 * groups,
             sums_.as<float>() + part.m0 * groups, stride, groups};
      g.panels = w.panels(part.n0);
      g.bias = w.bias() ? w.bias() + part.n0 : nullptr;
      g.c = y.row(part.m0) + part.n0;
      g.ldc = y.stride[0];
      g.m = part.m;
      g.n = part.n;
      g.store = store;
      g.scratch = scratch(worker, kernels::kGemmScratch);
      kernel(g);
    };
    const OutputTiles tiles(rows, w, threads());
    const auto multiply_tiles = [&](i64 begin, i64 end, int worker) {
      tiles.each(begin, end, [&](const OutputTile& part) { multiply(part, worker); });
    };
    const std::array phases{Phase(rows, 1, quantize),
                            Phase(tiles.items(), tiles.min_items(), multiply_tiles)};
    team_->run(phases, threads());
  }

  struct AttentionTask {
    const KvRows* span;
    i64 kv_head, first, pairs;
  };

  void attend(ConstCube q, const AttentionTask& task, i64 heads, std::span<const KeyMask> visible,
              float scale, Cube out, float* scratch) const {
    const auto& kv = static_cast<const PagedKvCache&>(*task.span->cache);
    const i64 group = heads / kv.shape().heads;
    const float* from[kernels::kAttentionRows];
    float* to[kernels::kAttentionRows];
    KeyMask sees[kernels::kAttentionRows];
    for (i64 i = 0; i < task.pairs; ++i) {
      const i64 t = task.span->begin + (task.first + i) / group,
                h = task.kv_head * group + (task.first + i) % group;
      from[i] = q.row(t) + h * q.stride[1];
      to[i] = out.row(t) + h * out.stride[1];
      sees[i] = visible[std::size_t(t)];
    }
    kernels::Attention a;
    a.q = from;
    a.out = to;
    a.visible = sees;
    a.rows = task.pairs;
    a.d = q.shape[2];
    a.pages = kv.pages();
    a.k_offset = kv.k_offset(task.span->layer, task.kv_head);
    a.v_offset = kv.v_offset(task.span->layer, task.kv_head);
    a.scale = scale;
    a.scratch = scratch;
    kernels_.attention(a);
  }

  /// Rows one by one, on as many threads as the values are worth.
  template <class Body>
  void each_row(i64 rows, i64 columns, const Body& body) const {
    constexpr i64 worth_a_thread = 1 << 14;
    const i64 workers = std::clamp<i64>(rows * columns / worth_a_thread, 1, threads());
    const auto all = [&](i64 begin, i64 end, int) {
      for (i64 i = begin; i < end; ++i) body(i);
    };
    team_->run(Phase(rows, 1, all), int(std::min(workers, rows)));
  }

  /// This worker's own memory; it grows on first use and is then kept.
  float* scratch(int worker, i64 floats) {
    Storage& own = scratch_[std::size_t(worker)];
    grow(own, std::size_t(floats) * sizeof(float));
    return own.as<float>();
  }

  void grow(Storage& storage, std::size_t bytes) const {
    if (storage.size() < bytes) storage = Storage(bytes, memory_);
  }

  kernels::Table kernels_;
  std::shared_ptr<Team> team_;
  std::shared_ptr<MemoryResource> memory_;
  ActivationFormat activations_;
  std::string name_;
  Storage codes_, scales_, sums_;  // the quantised rows of one product
  std::vector<Storage> scratch_ = std::vector<Storage>(std::size_t(team_->width()));
};

}  // namespace detail

LA_INLINE std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options) {
  return std::make_unique<detail::CpuOps>(options);
}

}  // namespace la::inline LA_ABI
