#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../../kernels/kernels.hpp"
#include "../core/tensor.hpp"
#include "../decoding/row_summary.hpp"
#include "../image/patches.hpp"
#include "../weights/weight.hpp"
#include "block_feed.hpp"
#include "download.hpp"

namespace la::inline LA_ABI {

using kernels::KeyMask;
using kernels::Store;

struct KvShape {
  i64 layers = 1, heads = 1, head_size = 1;
  Precision precision = Precision::usual;  ///< of queries, keys, values and their weights
};

/// Keys and values of the first length() tokens of one sequence, for every layer.
class KvCache {
 public:
  virtual ~KvCache() = default;
  i64 length() const noexcept { return length_; }
  const KvShape& shape() const noexcept { return shape_; }
  /// Makes room for `tokens` more, whose keys and values are then written layer by layer.
  virtual void extend(i64 tokens) = 0;
  /// Forgets all but the first `length` tokens.
  virtual void truncate(i64 length) = 0;
  /// A cache of the first `length` tokens. What can be shared is shared and never written again by either of the two:
  /// neither sees what the other does next.
  virtual std::unique_ptr<KvCache> fork(i64 length) const = 0;
  /// Bytes of its own that a cache of `tokens` tokens takes whose first `forked` came by fork().
  virtual std::size_t own_bytes(i64 tokens, i64 forked) const noexcept = 0;

 protected:
  explicit KvCache(const KvShape& shape) : shape_(shape) {}
  KvShape shape_;
  i64 length_ = 0;
};

/// What an op takes for each row: from the host, or from the backend's memory, where an op before has written it.
template <class T>
class List {
 public:
  List(std::span<const T> values) noexcept : values_(values) {}
  List(std::span<T> values) noexcept : values_(values) {}
  List(const std::vector<T>& values) noexcept : values_(values) {}
  static List in_backend(std::span<const T> values) noexcept {
    List list(values);
    list.in_backend_ = true;
    return list;
  }
  bool in_backend() const noexcept { return in_backend_; }
  /// Where the host can read them: from the backend's memory only if that is the host's.
  std::span<const T> values() const noexcept { return values_; }
  const T& operator[](std::size_t i) const noexcept { return values_[i]; }

 private:
  std::span<const T> values_;
  bool in_backend_ = false;
};

/// Rows [begin, begin + count) of an attention's queries read this layer of this cache.
struct KvRows {
  const KvCache* cache = nullptr;
  i64 layer = 0;
  i64 begin = 0, count = 0;
};

/// Rows [begin, begin + count) of a batch are tokens first .. first + count - 1 of this cache.
struct KvTokens {
  KvCache* cache = nullptr;
  i64 first = 0;
  i64 begin = 0, count = 0;
};

/// The patches of a picture, which a pass reads some at a time.
class ImagePatches {
 public:
  virtual ~ImagePatches() = default;
  i64 grid_h() const noexcept { return grid_h_; }
  i64 grid_w() const noexcept { return grid_w_; }
  /// y_t = patch first + t.    shape: y [T, 3 patch patch], dense, in the backend's memory
  virtual void read(i64 first, Matrix y) const = 0;

 protected:
  ImagePatches(i64 grid_h, i64 grid_w) : grid_h_(grid_h), grid_w_(grid_w) {}

 private:
  i64 grid_h_, grid_w_;
};

enum class Rope { interleaved, halves };
enum class Gelu { tanh, erf };
enum class Activation { swiglu, gelu_tanh, gelu_erf };

/// layer_norm, or rms_norm where there is no bias.
struct Norm {
  ConstVector weight, bias{};
  float eps = 0;
};

/// y = W x.
struct Projection {
  const Weight& weight;
  Matrix y;
};

/// Angles of each row, and which pairs of a head turn by them.    shape: cos, sin [T, D/2]
struct RopeAngles {
  ConstMatrix cos, sin;
  Rope layout;
};

/// x -> W_out act(W_in norm(x)).    shape: in [F, C], of swiglu [2F, C]: gate, then up; out [C, F]
struct FeedForward {
  Norm norm;
  const Weight& in;
  Activation activation;
  const Weight& out;
};

/// THE interface of a backend: memory, weights, and the ops that a forward pass is made of.
///
/// Views point at memory of this backend, which may be a device: nobody else reads or writes through them. Every
/// row of a result depends on the same row of the inputs alone (for attention: on its query and the visible keys),
/// bit for bit, whatever else is in the batch.
/// error: shapes are asserted, not checked; ops throw only when memory runs out
class Ops {
 public:
  virtual ~Ops() = default;
  /// "reference", "cpu avx2", "check(cpu avx2, reference)"
  virtual std::string_view name() const noexcept = 0;
  /// The kernels' instruction set, or the name when there is none.
  virtual std::string_view isa() const noexcept { return name(); }
  /// Host threads it may use.
  virtual int threads() const noexcept = 0;
  /// Rows of a linear product whose arithmetic takes about as long as reading the weights, of a model of so many bytes. It
  /// decides when drafts pay. A constant of the backend, not timed: what is written of an answer depends on no clock.
  virtual double rows_per_read(std::size_t weight_bytes) const noexcept {
    (void)weight_bytes;
    return 10;
  }

  // Memory

  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
  virtual void upload(const void* host, void* device, std::size_t bytes) = 0;
  virtual void download(const void* device, void* host, std::size_t bytes) = 0;
  /// A download that is waited for later. What is asked for behind it may overwrite x.    shape: x dense
  virtual std::unique_ptr<Download> start_download(ConstMatrix x) {
    std::vector<float> values(std::size_t(x.size()));
    download(x.data, values.data(), values.size() * sizeof(float));
    return std::make_unique<FinishedDownload>(std::move(values));
  }
  /// Whether ops come back before they are done, so that a pass may be asked for before the one before it is read.
  virtual bool runs_behind() const noexcept { return false; }
  /// Bytes of a device's memory that are free now. The host's are not counted.
  virtual std::size_t free_bytes() { return std::numeric_limits<std::size_t>::max(); }

  // Weights and caches

  /// Reads the parts from their file once and packs them; the file's pages are given back.
  /// error: a dtype that is not F32, F16 or BF16, parts of different K, a bias of another length
  virtual std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) = 0;
  virtual std::unique_ptr<KvCache> make_kv_cache(const KvShape& shape) = 0;

  // Pictures

  /// What preprocess makes of the picture in the size `shrunk`, bit for bit, wherever it is made. The host's part of the work
  /// is done by the team, and the picture is not read after the call.
  /// error: as preprocess
  virtual std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                                     const ProcessorConfig& config, Team* team);

  // Ops. x and y may be the same view where the contract says "in place".

  /// y = x W^T + b, or y += x W^T + b.    shape: x [T, K], y [T, N]
  virtual void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) = 0;
  /// y_t = row ids_t of the table.        shape: table [V, C], y [T, C]
  virtual void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) = 0;
  /// y_t = x row rows_t.                  shape: x [P, C], y [T, C]
  virtual void gather(ConstMatrix x, List<std::int32_t> rows, Matrix y) = 0;
  /// y = (x - mean) / sqrt(var + eps) * weight + bias, in place.    shape: x, y [T, C]; weight, bias [C]
  virtual void layer_norm(ConstMatrix x, ConstVector weight, ConstVector bias, float eps, Matrix y) = 0;
  /// y = x / sqrt(mean(x^2) + eps) * weight, in place.              shape: x, y [T, C]; weight [C]
  virtual void rms_norm(ConstMatrix x, ConstVector weight, float eps, Matrix y) = 0;
  /// Turns pairs of each head by the row's angles: pairs (2p, 2p+1) or (p, p + D/2).
  /// shape: x [T, H, D]; cos, sin [T, D/2]
  virtual void rope(Cube x, ConstMatrix cos, ConstMatrix sin, Rope layout) = 0;
  /// y = gelu(x), in place.               shape: [T, C]
  virtual void gelu(ConstMatrix x, Gelu kind, Matrix y) = 0;
  /// y = silu(gate) * up.                 shape: gate_up [T, 2F], gate first; y [T, F]
  virtual void swiglu(ConstMatrix gate_up, Matrix y) = 0;
  /// The grid resized as torch's bicubic does (a = -0.75, align_corners false, no antialias).
  /// shape: grid [h, w, C], y [gh, gw, C]
  virtual void bicubic_grid(ConstCube grid, Cube y) = 0;
  /// Keys and values of tokens first .. first + T - 1 of a layer.    shape: k, v [T, G, D]
  virtual void kv_write(KvCache& cache, i64 layer, i64 first, ConstCube k, ConstCube v) = 0;
  /// out_th = softmax over the visible keys of (scale q_th . k) v; query head h reads key/value head h / (H / G).
  /// Memory is linear in the number of keys. In place.
  /// shape: q, out [T, H, D]; visible [T], of keys that the caches have; rows cover [0, T) and are of one layer
  virtual void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                         Cube out) = 0;
  /// Each row becomes exp(x - max) / sum, and y what decoding reads of it: its summary as write_summary makes it.
  /// shape: x [T, V], V at most kMaxSummaryVocabulary; y [T, summary_floats(number of ids)]
  virtual void summarize(Matrix x, std::span<const std::int32_t> ids, Matrix y) = 0;
  /// y_t = the table's row of the most probable id of summary rows_t, which the host need not know; a summary of values that
  /// were not finite names none, and stands for id 0. Written here for memory of the host.
  /// shape: table [V, C], summaries [P, summary_floats(number of ids)], y [T, C]
  virtual void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                          Matrix y) {
    std::vector<std::int32_t> ids;
    for (const std::int32_t row : rows) ids.push_back(std::max(std::int32_t(summaries(row, 0)), 0));
    embedding(table, ids, y);
  }
  /// What a pass feeds behind blocks that the host need not have read: write_block_feed, here for memory of the host.
  /// shape: summaries [P, summary_floats(number of ids)]
  virtual void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                             const SpecialTokens& special, const BlockFeed& feed) {
    write_block_feed(summaries, blocks, special, feed);
  }

  // What a transformer layer is made of: ops above, one after the other, and on a processor their bits. A backend may do each
  // with fewer waits than the ops take that are written here. h, inner and wide are for what lies between; what they hold
  // afterwards is not said.

  /// h = norm(x), in place.    shape: x, h [T, C]
  void norm(ConstMatrix x, const Norm& n, Matrix h) {
    n.bias.data ? layer_norm(x, n.weight, n.bias, n.eps, h) : rms_norm(x, n.weight, n.eps, h);
  }
  /// y = W norm(x) for each projection.    shape: x, h [T, C]; y [T, N], one for each
  virtual void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) {
    norm(x, n, h);
    for (const Projection& p : projections) linear(h, p.weight, p.y, Store::overwrite);
  }
  /// The queries, keys and values of norm(x): queries and keys are turned, and keys and values written to the caches. `qkv`
  /// begins with the queries; what is behind them is for what lies between.
  /// shape: x, h [T, C]; W, qkv [T, (H + 2 G) D] with G heads of size D of the caches; rows cover [0, T)
  virtual void project_heads(ConstMatrix x, const Norm& n, const Weight& w, const RopeAngles& angles,
                             std::span<const KvTokens> rows, i64 layer, Matrix h, Matrix qkv) {
    const KvShape& shape = rows[0].cache->shape();
    const i64 size = shape.head_size, kv_width = shape.heads * size, q_width = qkv.shape[1] - 2 * kv_width;
    const Projection to_qkv{w, qkv};
    project(x, n, h, std::span(&to_qkv, 1));
    const Cube k = qkv.columns(q_width, kv_width).split_heads(shape.heads);             // [T, G, D]
    const Cube v = qkv.columns(q_width + kv_width, kv_width).split_heads(shape.heads);  // [T, G, D]
    rope(qkv.columns(0, q_width).split_heads(q_width / size), angles.cos, angles.sin, angles.layout);
    rope(k, angles.cos, angles.sin, angles.layout);
    for (const KvTokens& r : rows)
      kv_write(*r.cache, layer, r.first, k.rows(r.begin, r.count), v.rows(r.begin, r.count));
  }
  /// y = W_out act(W_in norm(x)), or y += that.
  /// shape: x, h [T, C]; inner [T, rows of W_in]; wide [T, F], may be inner when the activation is a gelu; y may be x
  virtual void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner, Matrix wide,
                            Matrix y, Store store) {
    norm(x, f.norm, h);
    linear(h, f.in, inner, Store::overwrite);
    f.activation == Activation::swiglu
        ? swiglu(inner, wide)
        : gelu(inner, f.activation == Activation::gelu_tanh ? Gelu::tanh : Gelu::erf, wide);
    linear(wide, f.out, y, store);
  }
  /// x += W_o a, then x += feed_forward(x).    shape: a [T, H D]; x [T, C]
  virtual void mix(ConstMatrix a, const Weight& o, const FeedForward& f, Matrix h, Matrix inner, Matrix wide,
                   Matrix x) {
    linear(a, o, x, Store::add);
    feed_forward(x, f, h, inner, wide, x, Store::add);
  }
  /// Turns q and k, writes all keys and values of a layer, from token 0 on, and lets every row of q see all of them; q
  /// becomes the output.    shape: q, k, v [T, H, D]; cos, sin [T, D/2]
  virtual void self_attention(KvCache& cache, i64 layer, Cube q, Cube k, ConstCube v, ConstMatrix cos,
                              ConstMatrix sin, Rope layout, float scale) {
    rope(k, cos, sin, layout);
    kv_write(cache, layer, 0, k, v);
    rope(q, cos, sin, layout);
    const std::vector<KeyMask> all(std::size_t(q.shape[0]), KeyMask{std::int32_t(k.shape[0]), 0, 0});
    const KvRows rows{&cache, layer, 0, q.shape[0]};
    attention(q, std::span(&rows, 1), all, scale, q);
  }
};

/// Patches that wait on the host.
class HostPatches final : public ImagePatches {
 public:
  HostPatches(Patches patches, Ops& ops)
      : ImagePatches(patches.grid_h, patches.grid_w), values_(std::move(patches.values)), ops_(ops) {}
  void read(i64 first, Matrix y) const override {
    ops_.upload(values_.data() + first * y.shape[1], y.data, std::size_t(y.size()) * sizeof(float));
  }

 private:
  std::vector<float> values_;
  Ops& ops_;
};

inline std::unique_ptr<ImagePatches> Ops::make_patches(const ImageView& image, PixelSize shrunk,
                                                       const ProcessorConfig& config, Team* team) {
  return std::make_unique<HostPatches>(preprocess(image, shrunk, config, team), *this);
}

}  // namespace la::inline LA_ABI
