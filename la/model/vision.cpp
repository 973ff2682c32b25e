#include "vision.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rope_table.hpp"

namespace la {
namespace detail {

/// LayerNorm epsilon of the vision tower and the projector; it is not in the config.
inline constexpr float kVisionEps = 1e-5f;

/// Calls body(first, count) for chunks of `rows`.
template <class Body>
void in_chunks(i64 rows, i64 chunk, const Body& body) {
  for (i64 first = 0; first < rows; first += chunk) body(first, std::min(chunk, rows - first));
}

/// The patches of each 2x2 group next to each other, groups row by row.
inline std::vector<std::int32_t> merge_order(i64 grid_h, i64 grid_w) {
  std::vector<std::int32_t> order;
  for (i64 i = 0; i < grid_h; i += 2)
    for (i64 j = 0; j < grid_w; j += 2)
      for (i64 corner = 0; corner < 4; ++corner)
        order.push_back(std::int32_t((i + corner / 2) * grid_w + j + corner % 2));
  return order;
}

}  // namespace detail

LA_INLINE VisionModel::VisionModel(const VisionConfig& config, const VisionWeights& weights, Ops& ops)
    : config_(config),
      weights_(weights),
      ops_(ops),
      kv_(ops.make_kv_cache({1, config.heads, config.hidden_size / config.heads})) {}

LA_INLINE void VisionModel::encode(const Patches& patches, Workspace& workspace, Matrix merged) {
  const i64 count = patches.grid_h * patches.grid_w, channels = config_.hidden_size;
  const Workspace::Scope scope(workspace);
  const Matrix x = workspace.matrix(count, channels);  // [P, C]
  embed(patches, workspace, x);

  const RopeTable rope = vision_rope(patches.grid_h, patches.grid_w, channels / config_.heads, ops_, workspace);
  for (const VisionBlock& b : weights_.blocks) block(b, rope, workspace, x);

  const LayerNorm& norm = weights_.final_norm;
  ops_.layer_norm(x, norm.weight.view, norm.bias.view, detail::kVisionEps, x);
  ops_.gather(x, detail::merge_order(patches.grid_h, patches.grid_w), merged.reshape<2>({count, channels}));
}

LA_INLINE void VisionModel::embed(const Patches& patches, Workspace& workspace, Matrix x) {
  const i64 count = x.shape[0], channels = x.shape[1], values = weights_.patch_embed->inputs();
  detail::in_chunks(count, kVisionChunk, [&](i64 first, i64 rows) {
    const Workspace::Scope scope(workspace);
    const Matrix pixels = workspace.matrix(rows, values);  // [rows, 3 * 14 * 14]
    ops_.upload(patches.values.data() + first * values, pixels.data, std::size_t(rows * values) * sizeof(float));
    ops_.linear(pixels, *weights_.patch_embed, x.rows(first, rows), Store::overwrite);
  });
  const Workspace::Scope scope(workspace);
  const ConstCube grid(weights_.position_grid.view.data, {config_.grid_h, config_.grid_w, channels});
  const Matrix position = workspace.matrix(count, channels);  // [P, C]
  ops_.bicubic_grid(grid, position.reshape<3>({patches.grid_h, patches.grid_w, channels}));
  ops_.add(x, position, x);
}

LA_INLINE void VisionModel::block(const VisionBlock& b, const RopeTable& rope, Workspace& workspace, Matrix x) {
  const i64 count = x.shape[0], channels = x.shape[1], heads = config_.heads;
  const Workspace::Scope scope(workspace);

  // x += wo(attention(norm0(x)))
  const Matrix q = workspace.matrix(count, channels);  // [P, H D]
  kv_->truncate(0);
  kv_->extend(count);
  detail::in_chunks(count, kVisionChunk, [&](i64 first, i64 rows) {
    const Workspace::Scope chunk(workspace);
    const Matrix h = workspace.matrix(rows, channels);       // [rows, C]
    const Matrix kv = workspace.matrix(rows, 2 * channels);  // [rows, 2 H D]
    ops_.layer_norm(x.rows(first, rows), b.norm0.weight.view, b.norm0.bias.view, detail::kVisionEps, h);
    ops_.linear(h, *b.q, q.rows(first, rows), Store::overwrite);
    ops_.linear(h, *b.kv, kv, Store::overwrite);
    const ConstMatrix cos = rope.cos.rows(first, rows), sin = rope.sin.rows(first, rows);
    const Cube k = kv.columns(0, channels).split_heads(heads), v = kv.columns(channels, channels).split_heads(heads);
    ops_.rope(q.rows(first, rows).split_heads(heads), cos, sin, Rope::interleaved);
    ops_.rope(k, cos, sin, Rope::interleaved);
    ops_.kv_write(*kv_, 0, first, k, v);
  });
  const std::vector<Visible> all(std::size_t(count), Visible{std::int32_t(count), 0, 0});
  const KvRows rows{kv_.get(), 0, 0, count};
  const Cube heads_of_q = q.split_heads(heads);  // [P, H, D]
  const float scale = float(1.0 / std::sqrt(double(channels / heads)));
  ops_.attention(heads_of_q, std::span(&rows, 1), all, scale, heads_of_q);
  ops_.linear(q, *b.wo, x, Store::add);

  // x += fc1(gelu(fc0(norm1(x))))
  detail::in_chunks(count, kVisionChunk, [&](i64 first, i64 n) {
    const Workspace::Scope chunk(workspace);
    const Matrix h = workspace.matrix(n, channels);              // [n, C]
    const Matrix wide = workspace.matrix(n, b.fc0->outputs());   // [n, F]
    ops_.layer_norm(x.rows(first, n), b.norm1.weight.view, b.norm1.bias.view, detail::kVisionEps, h);
    ops_.linear(h, *b.fc0, wide, Store::overwrite);
    ops_.gelu(wide, Gelu::tanh, wide);
    ops_.linear(wide, *b.fc1, x.rows(first, n), Store::add);
  });
}

LA_INLINE void project(const ProjectorWeights& weights, ConstMatrix merged, Ops& ops, Workspace& workspace,
                       Matrix projected) {
  const Workspace::Scope scope(workspace);
  const Matrix h = workspace.matrix(merged.shape[0], merged.shape[1]);               // [N, 4C]
  const Matrix hidden = workspace.matrix(merged.shape[0], weights.linear1->outputs());  // [N, C text]
  ops.layer_norm(merged, weights.norm.weight.view, weights.norm.bias.view, detail::kVisionEps, h);
  ops.linear(h, *weights.linear1, hidden, Store::overwrite);
  ops.gelu(hidden, Gelu::erf, hidden);
  ops.linear(hidden, *weights.linear2, projected, Store::overwrite);
}

}  // namespace la
