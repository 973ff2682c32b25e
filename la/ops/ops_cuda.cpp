#include "ops_cuda.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "cuda/device_kv_cache.hpp"
#include "cuda/device_patches.hpp"
#include "cuda/device_weight.hpp"
#include "grid_taps.hpp"
#include "../../kernels/cuda/arguments.hpp"

namespace la::inline LA_ABI {
namespace detail {

namespace device = kernels::cuda;

/// Host values that the next launch reads: row numbers, masks, tasks. What is there already is not sent again: all layers of a
/// pass share theirs. The rest goes to a place that no launch waits to read, the same ones in each pass, since it is sent
/// ahead of those that wait: a pass is not cut in two by its lists.
class DeviceList {
 public:
  template <class T>
  const T* send(cuda::Driver& driver, std::span<const T> values) {
    if (values.empty()) return nullptr;
    Place& place = find(driver.launches(), std::as_bytes(values));
    const std::size_t bytes = values.size_bytes();
    if (place.values.empty()) {
      if (bytes > place.room) {
        place.memory = driver.allocate(2 * bytes);
        place.room = 2 * bytes;
      }
      driver.upload_ahead(values.data(), place.memory.get(), bytes);
      const auto* from = reinterpret_cast<const std::byte*>(values.data());
      place.values.assign(from, from + bytes);
    }
    place.reader = driver.launches().made + 1;
    return reinterpret_cast<const T*>(place.memory.get());
  }

 private:
  struct Place {
    std::shared_ptr<std::byte> memory;
    std::size_t room = 0;
    std::vector<std::byte> values;  // none: not sent
    std::uint64_t reader = 0;       // the last launch that reads it
  };

  Place& find(const cuda::LaunchCount& launches, std::span<const std::byte> values) {
    Place* free = nullptr;
    for (Place& place : places_) {
      if (std::ranges::equal(place.values, values)) return place;
      if (!free && place.reader <= launches.sent) free = &place;
    }
    Place& place = free ? *free : places_.emplace_back();
    place.values.clear();  // should what follows fail
    return place;
  }

  std::vector<Place> places_;
};

class CudaOps final : public Ops {
 public:
  explicit CudaOps(const CudaOptions& options)
      : driver_(options.driver),
        team_(options.team ? options.team : std::make_shared<Team>(0)),
        exact_(options.activations == ActivationFormat::f32),
        name_("cuda " + std::string(driver_->name())) {
    if (options.activations == ActivationFormat::q8)
      fail_usage("activations: expected auto (bf16) or f32 on a card, found q8");
  }

  std::string_view name() const noexcept override { return name_; }
  int threads() const noexcept override { return team_->width(); }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return driver_->allocate(bytes); }
  void upload(const void* host, void* to, std::size_t bytes) override { driver_->upload(host, to, bytes); }
  void download(const void* from, void* host, std::size_t bytes) override {
    driver_->download(from, host, bytes);
  }
  std::unique_ptr<Download> start_download(ConstMatrix x) override {
    return driver_->start_download(x.data, std::size_t(x.size()));
  }
  bool runs_behind() const noexcept override { return true; }
  std::size_t free_bytes() override { return driver_->free_bytes(); }

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    after_weights_ = true;
    return std::make_unique<cuda::DeviceWeight>(*driver_, PanelSource(parts, format), parts[0].precision,
                                                team_.get());
  }
  std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) override {
    require(shape.head_size <= device::kMaxHeadSize, "heads: expected at most ", device::kMaxHeadSize,
            " values each on a card, found ", shape.head_size);
    const bool two = shape.precision == Precision::high || shape.head_size > device::kUsualHeadSize;
    return std::make_unique<cuda::DeviceKvCache>(shape, driver_, cuda::KvFormat{exact_ ? 0 : two ? 2 : 1});
  }

  std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                             const ProcessorConfig& config, Team* team) override {
    require_pixels(image, "picture");
    const SizePlan plan = plan_size(shrunk.width, shrunk.height, config);
    const PixelSize whole{image.width, image.height};
    const auto sizes = cuda::pass_sizes(whole, resize_steps(whole, shrunk, plan));
    if (!cuda::worth_on_card(sizes)) return Ops::make_patches(image, shrunk, config, team);
    return std::make_unique<cuda::DevicePatches>(*driver_, image, sizes, plan, config, team);
  }

  void linear(ConstMatrix x, const Weight& weight, Matrix y, Store store) override {
    assert(x.shape[1] == weight.inputs() && y.shape[1] == weight.outputs() && x.shape[0] == y.shape[0]);
    if (x.shape[0] == 0) return;
    const device::Linear a = product(x, weight, y, store);
    const bool few = a.rows <= 16;
    if (in_tensor_cores(weight)) return tensor_linear(a);
    launch(few ? "linear_exact_few" : "linear_exact_many", a, blocks(weight.outputs(), 32),
           blocks(a.rows, few ? 16 : 64), device::kThreads, device::exact_linear_floats(few ? 1 : 4));
  }

  /// In tensor cores a product norms its rows itself.
  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    for (const Projection& p : projections)
      if (!can_norm(n, p.weight)) return Ops::project(x, n, h, projections);
    for (const Projection& p : projections) normed_linear(normed(x, n, p.weight, p.y));
  }

  void project_heads(ConstMatrix x, const Norm& n, const Weight& w, const RopeAngles& angles,
                     std::span<const KvTokens> rows, i64 layer, Matrix h, Matrix qkv) override {
    const auto& kv = static_cast<const cuda::DeviceKvCache&>(*rows[0].cache);
    const KvShape& shape = kv.shape();
    // Pairs of tiles half a head apart.
    if (!can_norm(n, w) || angles.layout != Rope::halves || shape.head_size % (2 * device::kTile) != 0)
      return Ops::project_heads(x, n, w, angles, rows, layer, h, qkv);
    std::vector<device::KvPlace> places(std::size_t(x.shape[0]));
    for (const KvTokens& r : rows)
      for (i64 i = 0; i < r.count; ++i)
        places[std::size_t(r.begin + i)] = {static_cast<const cuda::DeviceKvCache&>(*r.cache).pages(),
                                            r.first + i};
    device::NormedLinear a = normed(x, n, w, qkv);
    a.ending = device::Ending::heads;
    a.heads.cos = angles.cos.data;
    a.heads.sin = angles.sin.data;
    a.heads.cos_stride = angles.cos.stride[0];
    a.heads.sin_stride = angles.sin.stride[0];
    a.heads.places = places_.send(*driver_, std::span<const device::KvPlace>(places));
    a.heads.layer_offset = kv.layer_offset(layer);
    a.heads.queries = std::int32_t(qkv.shape[1] / shape.head_size - 2 * shape.heads);
    a.heads.keys = std::int32_t(shape.heads);
    a.heads.size = std::int32_t(shape.head_size);
    a.heads.planes = kv.format().planes;
    normed_linear(a);
  }

  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner, Matrix wide, Matrix y,
                    Store store) override {
    const bool gated = f.activation == la::Activation::swiglu;
    if (gated && can_norm(f.norm, f.in) && wide.shape[1] % device::kTile == 0) {
      device::NormedLinear a = normed(x, f.norm, f.in, wide);
      a.ending = device::Ending::swiglu;
      normed_linear(a);
    } else if (!gated && in_tensor_cores(f.in)) {
      Ops::norm(x, f.norm, h);
      device::Linear a = product(h, f.in, wide, Store::overwrite);
      a.activation = f.activation == la::Activation::gelu_tanh ? device::Activation::gelu_tanh
                                                               : device::Activation::gelu_erf;
      tensor_linear(a);
    } else {
      return Ops::feed_forward(x, f, h, inner, wide, y, store);
    }
    linear(wide, f.out, y, store);
  }

  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    if (ids.empty()) return;
    launch("embedding", device::Embedding{view_of(table), ids_.send(*driver_, ids), y.data, y.stride[0]},
           y.shape[0]);
  }

  void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                  Matrix y) override {
    if (rows.empty()) return;
    launch("embedding",
           device::Embedding{view_of(table), ids_.send(*driver_, rows), y.data, y.stride[0], summaries.data,
                             summaries.stride[0]},
           y.shape[0]);
  }

  void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) override {
    if (rows.values().empty()) return;
    launch("gather",
           device::Gather{x.data, x.stride[0], on_card(rows, rows_), y.data, y.stride[0],
                          std::int32_t(y.shape[1])},
           y.shape[0]);
  }

  void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) override {
    norm("layer_norm", x, weight.data, bias.data, eps, y);
  }
  void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) override {
    norm("rms_norm", x, weight.data, nullptr, eps, y);
  }

  void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) override {
    launch(
        "rope",
        device::RopeTurn{x.data, x.stride[0], x.stride[1], cos.data, sin.data, cos.stride[0], sin.stride[0],
                         std::int32_t(x.shape[1]), std::int32_t(x.shape[2]), layout == Rope::interleaved},
        x.shape[0]);
  }

  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    elementwise(kind == Gelu::tanh ? device::Activation::gelu_tanh : device::Activation::gelu_erf, x, nullptr,
                y);
  }
  void swiglu(ConstMatrix gate_up, Matrix y) override {
    elementwise(device::Activation::swiglu, gate_up, gate_up.data + y.shape[1], y);
  }

  void bicubic_grid(ConstCube grid, Cube y) override {
    const auto send = [&](DeviceList& list, i64 from, i64 to) {
      std::vector<device::Taps> taps;
      for (const GridTaps& t : grid_taps(from, to)) {
        device::Taps& out = taps.emplace_back();
        for (int i = 0; i < 4; ++i) {
          out.index[i] = std::int32_t(t.index[i]);
          out.weight[i] = t.weight[i];
        }
      }
      return list.send(*driver_, std::span<const device::Taps>(taps));
    };
    const device::Bicubic a{grid.data,
                            grid.stride[0],
                            grid.stride[1],
                            send(row_taps_, grid.shape[0], y.shape[0]),
                            send(column_taps_, grid.shape[1], y.shape[1]),
                            y.data,
                            y.stride[0],
                            y.stride[1],
                            std::int32_t(y.shape[1]),
                            std::int32_t(y.shape[2])};
    launch("bicubic", a, y.shape[0] * y.shape[1], blocks(y.shape[2], device::kThreads));
  }

  void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) override {
    auto& kv = static_cast<cuda::DeviceKvCache&>(cache);
    launch(exact_ ? "kv_write" : "kv_write_tensor",
           device::KvWrite{{kv.pages(), kv.layer_offset(layer)},
                           std::int32_t(first),
                           std::int32_t(k.shape[1]),
                           std::int32_t(k.shape[2]),
                           k.data,
                           v.data,
                           k.stride[0],
                           k.stride[1],
                           v.stride[0],
                           v.stride[1],
                           kv.format().planes},
           k.shape[0]);
  }

  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    const i64 tokens = q.shape[0], heads = q.shape[1];
    if (tokens == 0) return;
    const i64 group = heads / rows[0].cache->shape().heads;
    device::AttentionRows a;
    a.visible = on_card(visible, visible_);
    a.q = q.data;
    a.out = out.data;
    a.q_stride = q.stride[0];
    a.q_head_stride = q.stride[1];
    a.out_stride = out.stride[0];
    a.out_head_stride = out.stride[1];
    a.heads = std::int32_t(heads);
    a.group = std::int32_t(group);
    a.size = std::int32_t(q.shape[2]);
    a.scale = scale;
    const auto& kv = static_cast<const cuda::DeviceKvCache&>(*rows[0].cache);
    a.layer_offset = kv.layer_offset(rows[0].layer);
    if (exact_) {
      const auto tasks = tasks_of(rows, group, device::kAttentionPairs);
      const i64 parts = parts_of(visible, rows, device::kAttentionPart);
      const bool split = parts > 1 && i64(tasks.size()) < kBlocksEnough;
      if (split) split_keys(a, tokens, parts, a.size + 2);
      attend("attention_exact", a, tasks, device::exact_attention_floats(a.size));
      if (split) {
        a.visible = on_card(visible, visible_);  // where it is, for one launch more
        launch("attention_merge", a, tokens, heads);
      }
      return;
    }
    a.scale *= 1.442695041f;  // log2(e)
    const int planes = kv.format().planes, part = device::tensor_part_floats(a.size);
    const i64 pages = parts_of(visible, rows, kernels::kPageKeys);
    const auto many = tasks_of(rows, group, device::kManyPairs);
    // Blocks of many pairs read keys less often, where there are enough of them.
    const bool few = i64(many.size()) * pages < kBlocksEnough / 2;
    const auto tasks = few ? tasks_of(rows, group, device::kAttentionPairs) : many;
    const bool split =
        pages > 1 && i64(tasks.size()) < kBlocksEnough / 2 && tokens * heads * pages * part <= kPartialFloats;
    static constexpr const char* kernels[2][2] = {{"attention_many_usual", "attention_few_usual"},
                                                  {"attention_many_high", "attention_few_high"}};
    if (split) {
      split_keys(a, tokens, pages, part);
      a.ended = counters(tasks.size());
    }
    attend(kernels[planes - 1][few], a, tasks, device::tensor_attention_floats(planes, few));
  }

  void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) override {
    assert(y.shape[1] == summary_floats(i64(ids.size())));
    const int threads = x.shape[1] > 64 * kRowThreads ? 4 * kRowThreads : kRowThreads;
    launch("summarize",
           device::Summarize{x.data, x.stride[0], std::int32_t(x.shape[1]), summary_ids_.send(*driver_, ids),
                             std::int32_t(ids.size()), y.data, y.stride[0]},
           x.shape[0], 1, threads, device::summarize_floats(threads));
  }

  void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks, const SpecialTokens& s,
                     const BlockFeed& feed) override {
    std::vector<device::PendingBlock> on_card;
    for (const PendingBlock& block : blocks) on_card.push_back({block.summary, block.length});
    device::FollowBlocks a;
    a.summaries = summaries.data;
    a.summary_stride = summaries.stride[0];
    a.blocks = blocks_.send(*driver_, std::span<const device::PendingBlock>(on_card));
    a.special = {s.box_start,  s.box_end, s.ref_start, s.ref_end, s.coord_first,
                 s.coord_last, s.none,    s.mask,      s.null,    s.end};
    a.ids = feed.ids.data;
    a.id_stride = feed.ids.stride[0];
    a.angles = feed.angles.data();
    a.visible = feed.visible.data();
    a.wanted = feed.wanted.data();
    a.wanted_visible = feed.wanted_visible.data();
    launch("follow_blocks", a, i64(blocks.size()), 1, device::kThreads, device::kFollowFloats);
  }

 private:
  /// Blocks that keep a card busy without splitting keys; partial sums then take little memory.
  static constexpr i64 kBlocksEnough = 264;
  /// Most partial sums of an attention: 64 MiB. Beyond, a block goes through all keys.
  static constexpr i64 kPartialFloats = 16 << 20;
  /// Threads of a block that works on one row.
  static constexpr int kRowThreads = 256;

  static i64 blocks(i64 n, i64 size) { return (n + size - 1) / size; }
  static const device::WeightView& view_of(const Weight& w) {
    return static_cast<const cuda::DeviceWeight&>(w).view();
  }
  template <class T>
  const T* on_card(const List<T>& list, DeviceList& place) {
    return list.in_backend() ? list.values().data() : place.send(*driver_, list.values());
  }
  /// Parts of the keys that some row sees, or may see, of so many keys each.
  static i64 parts_of(const List<KeyMask>& visible, std::span<const KvRows> rows, i64 keys) {
    i64 end = 0;
    if (visible.in_backend())
      for (const KvRows& span : rows) end = std::max(end, span.cache->length());
    else
      for (const KeyMask& m : visible.values()) end = std::max<i64>({end, m.prefix, m.window_end});
    return blocks(end, keys);
  }
  /// What blocks of an attention take, of so many pairs of a token and a query head that share keys.
  static std::vector<device::AttentionTask> tasks_of(std::span<const KvRows> rows, i64 group, i64 pairs) {
    std::vector<device::AttentionTask> tasks;
    for (const KvRows& span : rows) {
      const auto& kv = static_cast<const cuda::DeviceKvCache&>(*span.cache);
      for (i64 g = 0; g < kv.shape().heads; ++g)
        for (i64 first = 0; first < span.count * group; first += pairs)
          tasks.push_back({kv.pages(), std::int32_t(span.begin), std::int32_t(g), std::int32_t(first),
                           std::int32_t(std::min(pairs, span.count * group - first))});
    }
    return tasks;
  }
  /// A block for each of so many parts of the keys, whose sums are so many floats a row and head.
  void split_keys(device::AttentionRows& a, i64 tokens, i64 parts, i64 floats) {
    a.parts = std::int32_t(parts);
    a.partial = partial(std::size_t(tokens * a.heads * parts * floats));
  }
  void attend(const char* kernel, device::AttentionRows& a, const std::vector<device::AttentionTask>& tasks,
              i64 shared) {
    a.tasks = tasks_.send(*driver_, std::span<const device::AttentionTask>(tasks));
    launch(kernel, a, i64(tasks.size()), std::max(a.parts, 1), device::kThreads, shared);
  }

  /// shared: floats
  template <class Arguments>
  void launch(const char* kernel, const Arguments& a, i64 grid_x, i64 grid_y = 1,
              int threads = device::kThreads, i64 shared = 0) {
    if (grid_x == 0 || grid_y == 0) return;
    driver_->launch({kernel, unsigned(grid_x), unsigned(grid_y), unsigned(threads),
                     std::size_t(shared) * sizeof(float), !after_weights_},
                    &a, sizeof a);
    after_weights_ = false;
  }

  void norm(const char* kernel, ConstMatrix x, const float* weight, const float* bias, float eps, Matrix y) {
    launch(
        kernel,
        device::Norm{x.data, x.stride[0], weight, bias, eps, std::int32_t(x.shape[1]), y.data, y.stride[0]},
        x.shape[0], 1, kRowThreads, kRowThreads);
  }

  void elementwise(device::Activation activation, ConstMatrix x, const float* up, Matrix y) {
    launch("elementwise",
           device::Elementwise{x.data, x.stride[0], up, y.data, y.stride[0], std::int32_t(y.shape[1]),
                               activation},
           y.shape[0], blocks(y.shape[1], device::kThreads));
  }

  /// Weights held as f32 have no product in tensor cores.
  bool in_tensor_cores(const Weight& w) const { return !exact_ && view_of(w).format != PanelFormat::f32; }
  /// Whether a product norms its rows itself: those of an RMSNorm, with few enough inputs.
  bool can_norm(const Norm& n, const Weight& w) const {
    return in_tensor_cores(w) && !n.bias.data && w.inputs() <= device::kMostNormedInputs;
  }
  static device::Linear product(ConstMatrix x, const Weight& w, Matrix y, Store store) {
    return {x.data,
            x.stride[0],
            y.data,
            y.stride[0],
            std::int32_t(x.shape[0]),
            store == Store::add,
            view_of(w),
            device::Activation::none};
  }
  static device::NormedLinear normed(ConstMatrix x, const Norm& n, const Weight& w, Matrix y) {
    device::NormedLinear a;
    a.product = product(x, w, y, Store::overwrite);
    a.norm = n.weight.data;
    a.eps = n.eps;
    return a;
  }

  void tensor_linear(const device::Linear& a) {
    static constexpr const char* kernels[][2] = {{nullptr, nullptr},
                                                 {"linear_few_bf16", "linear_many_bf16"},
                                                 {"linear_few_q8", "linear_many_q8"},
                                                 {"linear_few_q4_g128", "linear_many_q4_g128"},
                                                 {"linear_few_q4_g32", "linear_many_q4_g32"}};
    multiply(kernels[std::size_t(a.weight.format)], a, a, false);
  }
  void normed_linear(const device::NormedLinear& a) {
    static constexpr const char* kernels[][2] = {{nullptr, nullptr},
                                                 {"normed_few_bf16", "normed_many_bf16"},
                                                 {"normed_few_q8", "normed_many_q8"},
                                                 {"normed_few_q4_g128", "normed_many_q4_g128"},
                                                 {"normed_few_q4_g32", "normed_many_q4_g32"}};
    multiply(kernels[std::size_t(a.product.weight.format)], a, a.product, true);
  }
  /// kernels: for few rows, and for many
  template <class Arguments>
  void multiply(const char* const (&kernels)[2], const Arguments& a, const device::Linear& l,
                bool is_normed) {
    if (l.rows <= 16) {
      const int warps = device::ranges_of(l.weight.inputs);
      launch(kernels[0], a, blocks(l.weight.outputs, 16), i64(l.rows > 0), 32 * warps,
             device::few_tensor_floats(warps, is_normed));
    } else {
      launch(kernels[1], a, blocks(l.weight.outputs, device::kManyOutputs), blocks(l.rows, device::kManyRows),
             device::kThreads, device::many_tensor_floats(l.weight.activation_parts, is_normed));
    }
  }

  float* partial(std::size_t floats) {
    if (floats > partial_room_) {
      partial_room_ = 0;
      partial_.reset();  // not both at a time
      partial_ = driver_->allocate(floats * sizeof(float));
      partial_room_ = floats;
    }
    return reinterpret_cast<float*>(partial_.get());
  }

  /// A zero for each of so many tasks, which kernels leave so.
  std::uint32_t* counters(std::size_t tasks) {
    if (tasks > counter_room_) {
      const std::size_t bytes = tasks * sizeof(std::uint32_t);
      counters_ = driver_->allocate(bytes);
      driver_->clear(counters_.get(), bytes);
      counter_room_ = tasks;
    }
    return reinterpret_cast<std::uint32_t*>(counters_.get());
  }

  std::shared_ptr<cuda::Driver> driver_;
  std::shared_ptr<Team> team_;
  bool exact_;  // f32 arithmetic, else tensor cores on activations rounded to bf16
  std::string name_;
  bool after_weights_ =
      false;  // the next launch waits for them: it reads weights before it waits for results
  DeviceList ids_, summary_ids_, rows_, row_taps_, column_taps_, tasks_, visible_, places_, blocks_;
  std::shared_ptr<std::byte> partial_;  // sums of parts of the keys
  std::shared_ptr<std::byte> counters_;
  std::size_t partial_room_ = 0, counter_room_ = 0;
};

}  // namespace detail

LA_INLINE std::unique_ptr<Ops> make_cuda_ops(const CudaOptions& options) {
  return std::make_unique<detail::CudaOps>(options);
}

}  // namespace la::inline LA_ABI
