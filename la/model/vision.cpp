#include "vision.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "rope_table.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// LayerNorm epsilon of the vision tower and the projector; it is not in the config.
inline constexpr float kVisionEps = 1e-5f;

/// Calls body(first, count) for pieces of about equal size, whole multiples of 48 rows and at most `max_rows` (or 48).
/// Equal, because a short last piece would leave threads idle.
template <class Body>
void in_chunks(i64 rows, i64 max_rows, const Interrupt& interrupt, const Body& body) {
  if (rows == 0) return;
  const i64 pieces = (rows + max_rows - 1) / max_rows;
  const i64 piece = i64(round_up(std::size_t((rows + pieces - 1) / pieces), kernels::kAttentionRows));
  for (i64 first = 0; first < rows; first += piece) {
    check_interrupt(interrupt);
    body(first, std::min(piece, rows - first));
  }
}

}  // namespace detail

LA_INLINE VisionModel::VisionModel(const VisionConfig& config, const VisionWeights& weights, Ops& ops,
                                   i64 chunk)
    : config_(config), weights_(weights), ops_(ops), chunk_(chunk) {}

LA_INLINE void VisionModel::encode(Patches patches, Workspace& workspace, Matrix features,
                                   const Interrupt& interrupt) {
  encode(std::make_unique<HostPatches>(std::move(patches), ops_), workspace, features, interrupt);
}

LA_INLINE void VisionModel::encode(std::unique_ptr<ImagePatches> patches, Workspace& workspace,
                                   Matrix features, const Interrupt& interrupt) {
  const i64 size = config_.hidden_size / config_.heads;
  const i64 grid_h = patches->grid_h(), grid_w = patches->grid_w();
  embed(*patches, workspace, features, interrupt);
  patches.reset();

  const Workspace::Scope scope(workspace);
  const RopeTable rope = vision_rope(grid_h, grid_w, size, ops_, workspace);
  const auto kv = ops_.make_kv_cache({1, config_.heads, size, Precision::usual});  // refilled by every block
  for (const VisionBlock& b : weights_.blocks) block(b, rope, *kv, workspace, features, interrupt);

  const LayerNorm& norm = weights_.final_norm;
  ops_.layer_norm(features, norm.weight.view, norm.bias.view, detail::kVisionEps, features);
}

LA_INLINE void VisionModel::embed(const ImagePatches& patches, Workspace& workspace, Matrix x,
                                  const Interrupt& interrupt) {
  const i64 channels = x.shape[1], values = weights_.patch_embed->inputs();
  const ConstCube grid(weights_.position_grid.view.data, {config_.grid_h, config_.grid_w, channels});
  ops_.bicubic_grid(grid, x.reshape<3>({patches.grid_h(), patches.grid_w(), channels}));
  detail::in_chunks(x.shape[0], chunk_, interrupt, [&](i64 first, i64 rows) {
    const Workspace::Scope scope(workspace);
    const Matrix pixels = workspace.matrix(rows, values);  // [rows, 3 * 14 * 14]
    patches.read(first, pixels);
    ops_.linear(pixels, *weights_.patch_embed, x.rows(first, rows), Store::add);
  });
}

LA_INLINE void VisionModel::block(const VisionBlock& b, const RopeTable& rope, KvCache& kv,
                                  Workspace& workspace, Matrix x, const Interrupt& interrupt) {
  const i64 count = x.shape[0], channels = x.shape[1], heads = config_.heads;
  const float scale = float(1.0 / std::sqrt(double(channels / heads)));

  const Norm norm0{b.norm0.weight.view, b.norm0.bias.view, detail::kVisionEps},
      norm1{b.norm1.weight.view, b.norm1.bias.view, detail::kVisionEps};
  kv.truncate(0);
  kv.extend(count);

  // x += wo(attention(norm0(x))), x += fc1(gelu(fc0(norm1(x))))
  const auto mix = [&](ConstMatrix attended, Matrix h, Matrix x_rows) {
    const Matrix wide = workspace.matrix(h.shape[0], b.fc0->outputs());  // [rows, F]
    ops_.mix(attended, *b.wo, {norm1, *b.fc0, Activation::gelu_tanh, *b.fc1}, h, wide, wide, x_rows);
  };
  if (count <= chunk_) {
    check_interrupt(interrupt);
    const Workspace::Scope chunk(workspace);
    const Matrix h = workspace.matrix(count, channels),
                 q = workspace.matrix(count, channels);  // [P, C], [P, H D]
    {
      const Workspace::Scope of_keys(workspace);
      const Matrix both = workspace.matrix(count, 2 * channels);  // [P, 2 H D]
      ops_.project(x, norm0, h, std::array{Projection{*b.kv, both}, Projection{*b.q, q}});
      ops_.self_attention(kv, 0, q.split_heads(heads), both.columns(0, channels).split_heads(heads),
                          both.columns(channels, channels).split_heads(heads), rope.cos, rope.sin,
                          Rope::interleaved, scale);
    }
    check_interrupt(interrupt);
    mix(q, h, x);
    return;
  }

  // Of more patches than that, keys and values first.
  detail::in_chunks(count, chunk_, interrupt, [&](i64 first, i64 rows) {
    const Workspace::Scope chunk(workspace);
    const Matrix h = workspace.matrix(rows, channels);         // [rows, C]
    const Matrix both = workspace.matrix(rows, 2 * channels);  // [rows, 2 H D]
    ops_.project(x.rows(first, rows), norm0, h, std::array{Projection{*b.kv, both}});
    const Cube k = both.columns(0, channels).split_heads(heads),
               v = both.columns(channels, channels).split_heads(heads);
    ops_.rope(k, rope.cos.rows(first, rows), rope.sin.rows(first, rows), Rope::interleaved);
    ops_.kv_write(kv, 0, first, k, v);
  });

  detail::in_chunks(count, chunk_, interrupt, [&](i64 first, i64 rows) {
    const Workspace::Scope chunk(workspace);
    const Matrix x_rows = x.rows(first, rows), h = workspace.matrix(rows, channels);  // [rows, C]
    // The norm is computed a second time, so that the queries of the whole image need not be kept.
    const Matrix q = workspace.matrix(rows, channels);  // [rows, H D]
    ops_.project(x_rows, norm0, h, std::array{Projection{*b.q, q}});
    const Cube heads_of_q = q.split_heads(heads);  // [rows, H, D]
    ops_.rope(heads_of_q, rope.cos.rows(first, rows), rope.sin.rows(first, rows), Rope::interleaved);
    const std::vector<KeyMask> all(std::size_t(rows), KeyMask{std::int32_t(count), 0, 0});
    const KvRows sees{&kv, 0, 0, rows};
    ops_.attention(heads_of_q, std::span(&sees, 1), all, scale, heads_of_q);  // overwrites q
    mix(q, h, x_rows);
  });
}

LA_INLINE void merge_patches(ConstMatrix features, i64 grid_w, i64 first, Ops& ops, Matrix merged) {
  std::vector<std::int32_t> order;
  for (i64 row = first; row < first + merged.shape[0]; ++row) {
    const i64 i = row / (grid_w / 2), j = row % (grid_w / 2);
    for (i64 corner = 0; corner < 4; ++corner)
      order.push_back(std::int32_t((2 * i + corner / 2) * grid_w + 2 * j + corner % 2));
  }
  ops.gather(features, order, merged.reshape<2>({i64(order.size()), features.shape[1]}));
}

LA_INLINE void project(const ProjectorWeights& weights, ConstMatrix features, i64 grid_w, Ops& ops,
                       Workspace& workspace, Matrix projected, i64 chunk, const Interrupt& interrupt) {
  detail::in_chunks(projected.shape[0], chunk, interrupt, [&](i64 first, i64 rows) {
    const Workspace::Scope scope(workspace);
    const Matrix merged = workspace.matrix(rows, 4 * features.shape[1]);       // [rows, 4C]
    const Matrix hidden = workspace.matrix(rows, weights.linear1->outputs());  // [rows, C text]
    merge_patches(features, grid_w, first, ops, merged);
    const Norm norm{weights.norm.weight.view, weights.norm.bias.view, detail::kVisionEps};
    ops.feed_forward(merged, {norm, *weights.linear1, Activation::gelu_erf, *weights.linear2}, merged, hidden,
                     hidden, projected.rows(first, rows), Store::overwrite);
  });
}

}  // namespace la::inline LA_ABI
