#include "ops_cpu.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../core/parallel.hpp"
#include "../core/storage.hpp"
#include "grid_taps.hpp"
#include "output_tiles.hpp"
#include "../weights/packed_weight.hpp"
#include "paged_kv_cache.hpp"
#include "row_codes.hpp"
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
        region_work_(options.region_work),
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
    const i64 rows = x.shape[0];
    const Operand a = operand(x, w, narrow_);
    const auto quantize = [&](i64 begin, i64 end, int) {
      for (i64 t = begin; t < end; ++t) this->quantize(a, t);
    };
    const OutputTiles tiles(rows, w.outputs(), w.inputs(), threads());
    const auto multiply_tiles = [&](i64 begin, i64 end, int worker) {
      tiles.each(begin, end, [&](const OutputTile& part) { multiply(a, w, part, y, store, worker); });
    };
    const std::array phases{Phase(a.codes ? rows : 0, 1, quantize), tiles.phase(multiply_tiles)};
    run_after_rows(phases, x.shape[1], tiles.work());
  }

  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    assert(projections.size() <= 2);
    struct Product {
      const PackedWeight* w;
      Operand a;
      OutputTiles tiles;
    };
    std::vector<Product> products;
    i64 items = 0, min_items = 1, multiplications = 0;
    for (const Projection& p : projections) {
      const auto& w = static_cast<const PackedWeight&>(p.weight);
      Operand a = operand(h, w, products.empty() ? narrow_ : broad_);
      // Of the same groups, rows are quantised once.
      if (!products.empty() && a.codes && products[0].a.codes && narrow_.group() == broad_.group())
        a = products[0].a;
      products.push_back({&w, a, OutputTiles(x.shape[0], w.outputs(), w.inputs(), threads())});
      items += products.back().tiles.items();
      min_items = std::max(min_items, products.back().tiles.min_items());
      multiplications += products.back().tiles.work();
    }
    const auto normalize = [&](i64 begin, i64 end, int) {
      for (i64 t = begin; t < end; ++t) {
        norm_row(n, x.row(t), x.shape[1], h.row(t));
        for (std::size_t i = 0; i < products.size(); ++i)
          if (products[i].a.codes && (i == 0 || products[i].a.codes != products[0].a.codes))
            quantize(products[i].a, t);
      }
    };
    const auto multiply_all = [&](i64 begin, i64 end, int worker) {
      i64 before = 0;
      for (std::size_t i = 0; i < products.size(); ++i) {
        const Product& p = products[i];
        const i64 first = std::max(begin - before, i64{0}), last = std::min(end - before, p.tiles.items());
        if (first < last)
          p.tiles.each(first, last, [&](const OutputTile& part) {
            multiply(p.a, *p.w, part, projections[i].y, Store::overwrite, worker);
          });
        before += p.tiles.items();
      }
    };
    const std::array phases{Phase(x.shape[0], 1, normalize), Phase(items, min_items, multiply_all)};
    run_after_rows(phases, x.shape[1], multiplications);
  }

  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner, Matrix wide, Matrix y,
                    Store store) override {
    if (splits_a_panel(f, wide)) return Ops::feed_forward(x, f, h, inner, wide, y, store);
    const Operand narrow = operand(h, static_cast<const PackedWeight&>(f.in), narrow_);
    const auto normalize = [&](i64 begin, i64 end, int) {
      for (i64 t = begin; t < end; ++t) normalize_row(f.norm, x, t, h, narrow);
    };
    feed_forward_after(Phase(x.shape[0], 1, normalize), x.shape[1], f, narrow, inner, wide, y, store);
  }

  void mix(ConstMatrix attended, const Weight& weight, const FeedForward& f, Matrix h, Matrix inner,
           Matrix wide, Matrix x) override {
    // With many rows the first product is dealt by rows, and each piece goes on to what they feed.
    constexpr i64 unit = 16;
    const i64 rows = x.shape[0], units = (rows + unit - 1) / unit;
    if (units < 4 * threads() || splits_a_panel(f, wide))
      return Ops::mix(attended, weight, f, h, inner, wide, x);
    const auto& o = static_cast<const PackedWeight&>(weight);
    const Operand a = operand(attended, o, attended_);
    const Operand narrow = operand(h, static_cast<const PackedWeight&>(f.in), narrow_);
    const auto project_back = [&](i64 begin, i64 end, int worker) {
      const i64 first = begin * unit, last = std::min(end * unit, rows);
      if (a.codes)
        for (i64 t = first; t < last; ++t) quantize(a, t);
      multiply(a, o, {first, last - first, 0, o.outputs()}, x, Store::add, worker);
      for (i64 t = first; t < last; ++t) normalize_row(f.norm, x, t, h, narrow);
    };
    feed_forward_after(Phase(units, 1, project_back), x.shape[1] * unit, f, narrow, inner, wide, x,
                       Store::add);
  }

  void self_attention(KvCache& cache, i64 layer, Cube q, Cube k, ConstCube v, ConstMatrix cos,
                      ConstMatrix sin, Rope layout, float scale) override {
    auto& kv = static_cast<PagedKvCache&>(cache);
    const i64 heads = q.shape[1], size = q.shape[2], rows = q.shape[0];
    const i64 blocks = (rows + kernels::kAttentionRows - 1) / kernels::kAttentionRows;
    if (kv.shape().heads != heads) return Ops::self_attention(cache, layer, q, k, v, cos, sin, layout, scale);
    const auto turn = layout == Rope::interleaved ? kernels_.rope_interleaved : kernels_.rope_halves;
    const std::vector<KeyMask> all(std::size_t(rows), KeyMask{std::int32_t(rows), 0, 0});
    const KvRows span{&cache, layer, 0, rows};
    std::vector<std::atomic<bool>> written(static_cast<std::size_t>(heads));
    // Memory now: who waits for a head must not wait for an error.
    for (int worker = 0; worker < threads(); ++worker) scratch(worker, kernels::attention_scratch(size));
    // An item is a head's keys and values, or then 48 rows of a head's queries, which wait for these.
    const auto work = [&](i64 begin, i64 end, int worker) noexcept {
      for (i64 i = begin; i < end; ++i) {
        if (i < heads) {
          for (i64 t = 0; t < rows; ++t) {
            if (const i64 next = t + kRowsAhead; next < rows) {
              prefetch(&k(next, i, 0), size);
              prefetch(&v(next, i, 0), size);
            }
            turn(&k(t, i, 0), cos.row(t), sin.row(t), size);
            kv.write(layer, i, t, &k(t, i, 0), k.stride[2], &v(t, i, 0), v.stride[2]);
          }
          written[std::size_t(i)].store(true, std::memory_order_release);
          written[std::size_t(i)].notify_all();
          continue;
        }
        const i64 head = (i - heads) / blocks, first = (i - heads) % blocks * kernels::kAttentionRows;
        const AttentionTask task{&span, head, first, std::min<i64>(kernels::kAttentionRows, rows - first)};
        for (i64 t = first; t < first + task.pairs; ++t) {
          if (t + kRowsAhead < rows) prefetch(&q(t + kRowsAhead, head, 0), size);
          turn(&q(t, head, 0), cos.row(t), sin.row(t), size);
        }
        written[std::size_t(head)].wait(false, std::memory_order_acquire);
        attend(q, task, 0, heads, all, scale, q, scratch(worker, kernels::attention_scratch(size)));
      }
    };
    team_->run(Phase(heads + heads * blocks, 1, work, heads), threads());
  }

  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    const auto& w = static_cast<const PackedWeight&>(table);
    each_row(y.shape[0], y.shape[1], [&](i64 t) { w.row(ids[std::size_t(t)], y.row(t)); });
  }

  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override {
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

  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    const i64 heads = q.shape[1], size = q.shape[2];
    // A task is up to 48 (token, head) pairs that share a key/value head, so that its pages are read once for all.
    tasks_.clear();
    for (const KvRows& span : rows) {
      const i64 kv_heads = span.cache->shape().heads, group = heads / kv_heads, pairs = span.count * group;
      for (i64 g = 0; g < kv_heads; ++g)
        for (i64 first = 0; first < pairs; first += kernels::kAttentionRows)
          tasks_.push_back({&span, g, first, std::min<i64>(kernels::kAttentionRows, pairs - first)});
    }
    // Few tasks that do not come out even are taken apart further: an item is then a part of a task's keys, and whoever does
    // its last merges them.
    const i64 count = i64(tasks_.size());
    const bool apart = count < 4 * threads() && count % threads() != 0;
    i64 items = 0, floats = 0, multiplications = 0;
    for (AttentionTask& task : tasks_) {
      const i64 keys = last_key(task, heads, visible.values());
      multiplications += 2 * task.pairs * keys * size;
      if (apart) task.parts = kernels::attention_parts(keys);
      task.item = items;
      task.state = floats;
      items += task.parts;
      if (task.parts > 1) floats += task.parts * kernels::attention_state(task.pairs, size);
    }
    states_.grow(std::size_t(floats) * sizeof(float), memory_);
    if (missing_.size() < tasks_.size()) missing_ = std::vector<std::atomic<i64>>(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      missing_[i].store(tasks_[i].parts, std::memory_order_relaxed);
    // Dealt one by one: causal tasks grow along the sequence, and neighbours share their pages in the last cache.
    const auto work = [&](i64 begin, i64 end, int worker) {
      for (i64 i = begin; i < end; ++i) {
        const auto after = std::upper_bound(tasks_.begin(), tasks_.end(), i,
                                            [](i64 item, const AttentionTask& t) { return item < t.item; });
        const AttentionTask& task = *(after - 1);
        attend(q, task, i - task.item, heads, visible.values(), scale, out,
               scratch(worker, kernels::attention_scratch(size)));
      }
    };
    team_->run(Phase(items, 1, work), int(std::min<i64>(workers_worth(multiplications), items)));
  }

  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    each_row(x.shape[0], x.shape[1], [&](i64 t) {
      kernels_.softmax(x.row(t), x.shape[1]);
      write_summary(std::span(x.row(t), std::size_t(x.shape[1])), ids, y.row(t));
    });
  }

 private:
  /// The left side of a product: floats, and for integer products what they are quantised to.
  struct Operand {
    ConstMatrix x;
    RowCodes* codes = nullptr;
  };

  /// error: std::bad_alloc
  Operand operand(ConstMatrix x, const PackedWeight& w, RowCodes& codes) const {
    const i64 group = group_size(w.panel_format());
    if (group == 0 || activations_ == ActivationFormat::f32) return {x};
    codes.prepare(x.shape[0], w.inputs(), group, memory_);
    return {x, &codes};
  }

  void quantize(const Operand& a, i64 row) const noexcept { quantize(a, row, 0, a.x.shape[1]); }

  void quantize(const Operand& a, i64 row, i64 first, i64 count) const noexcept {
    a.codes->quantize(kernels_.quantize, row, first, count, a.x.row(row) + first);
  }

  /// Each group of `group_panels` panels waits for all of them, in each part of the rows.
  void expect(i64 columns, i64 group_panels, i64 row_parts) {
    const i64 panels = (columns + kernels::kPanel - 1) / kernels::kPanel;
    const i64 groups = (panels + group_panels - 1) / group_panels;
    if (i64(missing_.size()) < groups) missing_ = std::vector<std::atomic<i64>>(std::size_t(groups));
    for (i64 g = 0; g < groups; ++g)
      missing_[std::size_t(g)].store(std::min(group_panels, panels - g * group_panels) * row_parts,
                                     std::memory_order_relaxed);
  }

  /// Of all rows, the groups of columns whose last missing part this is.
  void quantize_completed(const Operand& a, const OutputTile& part, i64 group_panels) {
    const i64 first = part.n0 / kernels::kPanel,
              end = first + (part.n + kernels::kPanel - 1) / kernels::kPanel;
    for (i64 g = first / group_panels; g * group_panels < end; ++g) {
      const i64 done = std::min(end, (g + 1) * group_panels) - std::max(first, g * group_panels);
      if (missing_[std::size_t(g)].fetch_sub(done, std::memory_order_acq_rel) != done) continue;
      const i64 column = g * a.codes->group(), count = std::min(a.codes->group(), a.x.shape[1] - column);
      for (i64 t = 0; t < a.x.shape[0]; ++t) quantize(a, t, column, count);
    }
  }

  /// A tile of y = x W^T, or of y += that.
  void multiply(const Operand& a, const PackedWeight& w, const OutputTile& part, Matrix y, Store store,
                int worker) {
    multiply(a, w, part, y.row(part.m0) + part.n0, y.stride[0], store, worker);
  }

  /// The same to c, rows ldc apart.
  void multiply(const Operand& a, const PackedWeight& w, const OutputTile& part, float* c, i64 ldc,
                Store store, int worker) {
    const float* const bias = w.bias() ? w.bias() + part.n0 : nullptr;
    float* const own = scratch(worker, kernels::kGemmScratch);
    if (a.codes)
      kernels_.qgemm[w.panel_format()]({.a = a.codes->from(part.m0),
                                        .panels = w.panels(part.n0),
                                        .bias = bias,
                                        .c = c,
                                        .ldc = ldc,
                                        .m = part.m,
                                        .n = part.n,
                                        .store = store,
                                        .scratch = own});
    else
      kernels_.gemm[w.panel_format()]({.a = a.x.row(part.m0),
                                       .lda = a.x.stride[0],
                                       .panels = w.panels(part.n0),
                                       .bias = bias,
                                       .c = c,
                                       .ldc = ldc,
                                       .m = part.m,
                                       .n = part.n,
                                       .k = w.inputs(),
                                       .store = store,
                                       .scratch = own});
  }

  /// The rows of up begin inside a panel.
  static bool splits_a_panel(const FeedForward& f, ConstMatrix wide) noexcept {
    return f.activation == Activation::swiglu && wide.shape[1] % kernels::kPanel != 0;
  }

  /// Row t of h from x, and its codes.
  void normalize_row(const Norm& norm, ConstMatrix x, i64 t, Matrix h, const Operand& narrow) const noexcept {
    norm_row(norm, x.row(t), x.shape[1], h.row(t));
    if (narrow.codes) quantize(narrow, t);
  }

  /// y = W_out act(W_in h) in the region of the phase that makes h, some `columns` values an item.
  void feed_forward_after(const Phase& rows_of_h, i64 columns, const FeedForward& f, const Operand& narrow,
                          Matrix inner, Matrix wide, Matrix y, Store store) {
    const auto &in = static_cast<const PackedWeight&>(f.in), &out = static_cast<const PackedWeight&>(f.out);
    const i64 rows = wide.shape[0], width = wide.shape[1];
    const bool gated = f.activation == Activation::swiglu;
    const Operand broad = operand(wide, out, broad_);
    const OutputTiles narrowing(rows, out.outputs(), width, threads());
    const auto narrow_again = [&](i64 begin, i64 end, int worker) {
      narrowing.each(begin, end,
                     [&](const OutputTile& part) { multiply(broad, out, part, y, store, worker); });
    };
    const auto run = [&](const Phase& widening) {
      run_after_rows(std::array{rows_of_h, widening, narrowing.phase(narrow_again)}, columns,
                     rows * in.inputs() * in.outputs() + narrowing.work());
    };

    // Many rows of integer products: what a worker has multiplied it activates and quantises while it is in L2. Only codes
    // go to memory; inner and wide stay untouched.
    const WideBlocks blocks(rows, width);
    if (broad.codes && rows >= WideBlocks::kManyRows && blocks.items() >= 4 * threads()) {
      const auto widen = [&](i64 begin, i64 end, int worker) {
        float* const gate =
            scratch(worker, kernels::kGemmScratch + WideBlocks::kScratch) + kernels::kGemmScratch;
        float* const up = gate + WideBlocks::kFloats;
        for (i64 i = begin; i < end; ++i) {
          const OutputTile part = blocks[i];
          multiply(narrow, in, part, gate, WideBlocks::kColumns, Store::overwrite, worker);
          if (gated)
            multiply(narrow, in, {part.m0, part.m, part.n0 + width, part.n}, up, WideBlocks::kColumns,
                     Store::overwrite, worker);
          for (i64 m = 0; m < part.m; ++m) {
            float* const row = gate + m * WideBlocks::kColumns;
            activate(f.activation, row, WideBlocks::kFloats, part.n, row);
            broad.codes->quantize(kernels_.quantize, part.m0 + m, part.n0, part.n, row);
          }
        }
      };
      return run(Phase(blocks.items(), 1, widen));
    }

    // Panels of W_in, of swiglu two at a time. Whoever completes a group of the next product's inputs quantises it.
    const OutputTiles widening(rows, width, in.inputs() * (gated ? 2 : 1), threads());
    const i64 group_panels = broad.codes ? broad.codes->group() / kernels::kPanel : 1;
    if (broad.codes) expect(width, group_panels, widening.row_parts());
    const auto widen = [&](i64 begin, i64 end, int worker) {
      widening.each(begin, end, [&](const OutputTile& part) {
        multiply(narrow, in, part, inner, Store::overwrite, worker);
        if (gated)
          multiply(narrow, in, {part.m0, part.m, part.n0 + width, part.n}, inner, Store::overwrite, worker);
        for (i64 t = part.m0; t < part.m0 + part.m; ++t)
          activate(f.activation, inner.row(t) + part.n0, width, part.n, wide.row(t) + part.n0);
        if (broad.codes) quantize_completed(broad, part, group_panels);
      });
    };
    run(widening.phase(widen));
  }

  void norm_row(const Norm& norm, const float* x, i64 n, float* y) const noexcept {
    norm.bias.data ? kernels_.layer_norm(x, norm.weight.data, norm.bias.data, norm.eps, n, y)
                   : kernels_.rms_norm(x, norm.weight.data, norm.eps, n, y);
  }

  /// y = act(x) of n values; of swiglu, x is the gate and up lies `width` behind.
  void activate(Activation kind, const float* x, i64 width, i64 n, float* y) const noexcept {
    if (kind == Activation::swiglu)
      kernels_.swiglu(x, x + width, n, y);
    else
      (kind == Activation::gelu_tanh ? kernels_.gelu_tanh : kernels_.gelu_erf)(x, n, y);
  }

  /// A head's rows lie whole rows of heads apart: no hardware sees the next one coming.
  static constexpr i64 kRowsAhead = 8;
  static void prefetch(const float* x, i64 n) noexcept {
    constexpr i64 line = 64 / sizeof(float);
    for (i64 i = 0; i < n; i += line) __builtin_prefetch(x + i, 1);
  }

  struct AttentionTask {
    const KvRows* span;
    i64 kv_head, first, pairs;
    i64 parts = 1;            // of its keys that are items of their own
    i64 item = 0, state = 0;  // its first, and where their states begin in states_
  };

  /// The token of a task's pair; its head.
  static std::pair<i64, i64> row_of(const AttentionTask& task, i64 pair, i64 heads) noexcept {
    const i64 group = heads / task.span->cache->shape().heads;
    return {task.span->begin + (task.first + pair) / group,
            task.kv_head * group + (task.first + pair) % group};
  }

  static i64 last_key(const AttentionTask& task, i64 heads, std::span<const KeyMask> visible) noexcept {
    i64 last = 0;
    for (i64 i = 0; i < task.pairs; ++i) {
      const KeyMask& sees = visible[std::size_t(row_of(task, i, heads).first)];
      last = std::max<i64>(last, std::max(sees.prefix, sees.window_end));
    }
    return last;
  }

  void attend(ConstCube q, const AttentionTask& task, i64 part, i64 heads, std::span<const KeyMask> visible,
              float scale, Cube out, float* scratch) {
    const auto& kv = static_cast<const PagedKvCache&>(*task.span->cache);
    const float* from[kernels::kAttentionRows];
    float* to[kernels::kAttentionRows];
    KeyMask sees[kernels::kAttentionRows];
    for (i64 i = 0; i < task.pairs; ++i) {
      const auto [t, h] = row_of(task, i, heads);
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
    if (task.parts == 1) return kernels_.attention(a);
    a.states = states_.as<float>() + task.state;
    a.first_part = part;
    a.parts = 1;
    kernels_.attention(a);
    std::atomic<i64>& missing = missing_[std::size_t(&task - tasks_.data())];
    if (missing.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    a.first_part = 0;
    a.parts = task.parts;
    kernels_.attention_merge(a);
  }

  /// As many threads as the values are worth.
  i64 row_workers(i64 rows, i64 columns) const noexcept {
    constexpr i64 worth_a_thread = 1 << 14;
    return std::min(std::clamp<i64>(rows * columns / worth_a_thread, 1, threads()), rows);
  }

  template <class Body>
  void each_row(i64 rows, i64 columns, const Body& body) const {
    const auto all = [&](i64 begin, i64 end, int) {
      for (i64 i = begin; i < end; ++i) body(i);
    };
    team_->run(Phase(rows, 1, all), int(row_workers(rows, columns)));
  }

  int workers_worth(i64 multiplications) const noexcept {
    return multiplications < region_work_ ? 1 : threads();
  }

  /// One region; its first phase, of rows, is done here before it when the others would wait longer for each other.
  template <std::size_t N>
  void run_after_rows(const std::array<Phase, N>& phases, i64 columns, i64 multiplications) const {
    const bool few = row_workers(phases[0].items(), columns) <= 1;
    if (few && phases[0].items() > 0) phases[0](0, phases[0].items(), 0);
    team_->run(std::span(phases).subspan(few ? 1 : 0), workers_worth(multiplications));
  }

  /// This worker's own memory; it grows on first use and is then kept.
  float* scratch(int worker, i64 floats) {
    Storage& own = scratch_[std::size_t(worker)];
    own.grow(std::size_t(floats) * sizeof(float), memory_);
    return own.as<float>();
  }

  kernels::Table kernels_;
  std::shared_ptr<Team> team_;
  std::shared_ptr<MemoryResource> memory_;
  ActivationFormat activations_;
  i64 region_work_;
  std::string name_;
  RowCodes attended_, narrow_, broad_;  // what goes into W_o, W_in or any other product, W_out
  std::vector<AttentionTask> tasks_;
  Storage states_;                         // of tasks whose keys are taken apart
  std::vector<std::atomic<i64>> missing_;  // parts of each group of broad_, or of each task
  std::vector<Storage> scratch_ = std::vector<Storage>(std::size_t(team_->width()));
};

}  // namespace detail

LA_INLINE std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options) {
  return std::make_unique<detail::CpuOps>(options);
}

}  // namespace la::inline LA_ABI
