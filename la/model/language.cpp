#include "language.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "rope_table.hpp"

namespace la::inline LA_ABI {
namespace detail {

template <class T>
std::span<T> take_list(i64 count, Workspace& workspace) {
  static_assert(sizeof(T) % sizeof(float) == 0);
  return {reinterpret_cast<T*>(workspace.matrix(count, i64(sizeof(T) / sizeof(float))).data),
          std::size_t(count)};
}

inline BlockFeed take_feed(i64 blocks, Workspace& workspace) {
  return {workspace.matrix(kFeedRows * blocks, 1), take_list<std::int32_t>(kFeedRows * blocks, workspace),
          take_list<KeyMask>(kFeedRows * blocks, workspace),
          take_list<std::int32_t>(kBlockSize * blocks, workspace),
          take_list<KeyMask>(kBlockSize * blocks, workspace)};
}

}  // namespace detail

/// The rows of one forward pass: tokens of all sequences one after the other.
struct LanguageModel::Batch {
  explicit Batch(const Interrupt& when) : interrupt(when) {}

  const Interrupt& interrupt;
  std::vector<std::int32_t> ids, positions;  // [T]; with summaries ids are rows of them, see Ops::embed_best
  ConstMatrix summaries{};
  std::vector<KeyMask> visible;          // [T]
  std::vector<KvRows> rows;              // one per sequence; the layer is filled in
  std::vector<KvTokens> tokens;          // one per sequence
  std::vector<std::int32_t> logit_rows;  // rows whose logits are wanted: of each sequence, its last
  std::vector<KeyMask> logit_visible;    // theirs
  std::vector<KvRows> logit_queries;     // one per sequence that has such rows, [begin, end) of logit_rows
  std::vector<PendingBlock> blocks;  // where these are fed, what depends on them is in the backend's memory
  const SpecialTokens* special = nullptr;
  BlockFeed feed;
  std::vector<std::pair<i64, ConstMatrix>> images;  // picture rows, and the row they start at

  i64 size() const noexcept { return i64(ids.size()); }
  i64 logits() const noexcept {
    return logit_queries.empty() ? 0 : logit_queries.back().begin + logit_queries.back().count;
  }
  List<KeyMask> seen() const noexcept {
    return blocks.empty() ? List(visible) : List<KeyMask>::in_backend(feed.visible);
  }
  List<std::int32_t> wanted() const noexcept {
    return blocks.empty() ? List(logit_rows) : List<std::int32_t>::in_backend(feed.wanted);
  }
  List<KeyMask> seen_by_wanted() const noexcept {
    return blocks.empty() ? List(logit_visible) : List<KeyMask>::in_backend(feed.wanted_visible);
  }

  /// Adds the sequence's tokens up to `until`; when these are all, also its window.
  void add(const SequenceInput& input, i64 until, std::int32_t mask_token) {
    const i64 length = i64(input.sequence.size()), start = input.cache->length(), row = size();
    assert(start + input.token_rows <= length || until < length);
    for (i64 p = start; p < until; ++p) push(input.sequence[std::size_t(p)], p, {std::int32_t(p + 1), 0, 0});
    for (const ImageRows& image : input.images) {
      const i64 begin = std::max(image.position, start),
                end = std::min(image.position + image.rows.shape[0], until);
      if (begin < end)
        images.push_back({row + begin - start, image.rows.rows(begin - image.position, end - begin)});
    }
    for (i64 back = until == length ? input.token_rows : 0; back > 0; --back) want(size() - back);
    if (until == length && input.block) {
      // Window row j is at position L-1+j. All six attend to cached keys [0, L-1) and to each other; the last token's
      // cached key is skipped because row 0 repeats that token.
      const KeyMask window{std::int32_t(length - 1), std::int32_t(length), std::int32_t(length + kBlockSize)};
      for (i64 j = 0; j < kBlockSize; ++j) {
        push(j == 0 ? input.sequence.back() : mask_token, length - 1 + j, window);
        want(size() - 1);
      }
    }
    end(*input.cache, start, row);
  }

  /// Adds a token that a summary names.
  void add_next(const NextInput& token) {
    const i64 start = token.cache->length(), row = size();
    push(token.summary, start, {std::int32_t(start + 1), 0, 0});
    want(row);
    end(*token.cache, start, row);
  }

  /// Adds the rows behind a block: their ids are those of the feed, and their angles it chooses.
  void add_next_block(const NextInput& block) {
    const i64 start = block.cache->length(), row = size();
    blocks.push_back({block.summary, std::int32_t(start)});
    for (i64 r = 0; r < kFeedRows; ++r) push(std::int32_t(size()), start + r, {});
    logit_queries.push_back({block.cache, 0, logits(), kBlockSize});
    rows.push_back({block.cache, 0, row, kFeedRows});
    tokens.push_back({block.cache, start, row, kFeedRows});
  }

 private:
  /// What was added from this row on is of one sequence.
  void end(KvCache& cache, i64 start, i64 row) {
    const i64 before = logits(), own = i64(logit_rows.size()) - before;
    if (own > 0) logit_queries.push_back({&cache, 0, before, own});
    rows.push_back({&cache, 0, row, size() - row});
    tokens.push_back({&cache, start, row, size() - row});
  }
  void push(std::int32_t id, i64 position, const KeyMask& sees) {
    ids.push_back(id);
    positions.push_back(std::int32_t(position));
    visible.push_back(sees);
  }
  void want(i64 row) {
    logit_rows.push_back(std::int32_t(row));
    logit_visible.push_back(visible[std::size_t(row)]);
  }
};

LA_INLINE LanguageModel::LanguageModel(const TextConfig& config, std::int32_t mask_token,
                                       const LanguageWeights& weights, Ops& ops)
    : config_(config), mask_token_(mask_token), weights_(weights), ops_(ops) {}

LA_INLINE std::unique_ptr<KvCache> LanguageModel::make_cache() const {
  // What queries and keys lack, scores multiply.
  return ops_.make_kv_cache({config_.layers, config_.kv_heads, config_.head_dim, Precision::high});
}

LA_INLINE void LanguageModel::forward(std::span<const SequenceInput> inputs, Workspace& workspace,
                                      Matrix logits, const Interrupt& interrupt) {
  Batch batch(interrupt);
  for (const SequenceInput& input : inputs) {
    const i64 length = i64(input.sequence.size());
    if (length - input.cache->length() > kPrefillChunk)
      prefill(input, length - kPrefillChunk, workspace, interrupt);
    batch.add(input, length, mask_token_);
  }
  const Workspace::Scope scope(workspace);
  const Matrix last = workspace.matrix(batch.logits(), config_.hidden_size);  // [rows, C]
  run(batch, workspace, last);
  for (const SequenceInput& input : inputs) input.cache->truncate(i64(input.sequence.size()));
  head(last, logits);
}

LA_INLINE void LanguageModel::forward_next(std::span<const NextInput> tokens, ConstMatrix summaries,
                                           Workspace& workspace, Matrix logits) {
  const Interrupt never;
  Batch batch(never);
  batch.summaries = summaries;
  for (const NextInput& token : tokens) batch.add_next(token);
  run_ahead(batch, workspace, logits);
}

LA_INLINE void LanguageModel::forward_next_blocks(std::span<const NextInput> blocks, ConstMatrix summaries,
                                                  const SpecialTokens& special, Workspace& workspace,
                                                  Matrix logits) {
  const Interrupt never;
  Batch batch(never);
  batch.summaries = summaries;
  batch.special = &special;
  for (const NextInput& block : blocks) batch.add_next_block(block);
  run_ahead(batch, workspace, logits);
}

/// What is fed may turn out not to follow.
LA_INLINE void LanguageModel::run_ahead(Batch& batch, Workspace& workspace, Matrix logits) {
  const Workspace::Scope scope(workspace);
  const Matrix last = workspace.matrix(batch.logits(), config_.hidden_size);  // [rows, C]
  const auto take_back = [&] {
    for (const KvTokens& t : batch.tokens) t.cache->truncate(t.first);
  };
  try {
    run(batch, workspace, last);
    head(last, logits);
  } catch (...) {
    take_back();
    throw;
  }
  take_back();
}

/// shape: last [rows, C], overwritten; logits [rows, V]
LA_INLINE void LanguageModel::head(Matrix last, Matrix logits) {
  const Projection to_logits{weights_.head(), logits};
  ops_.project(last, {weights_.norm.view, {}, config_.rms_eps}, last, std::span(&to_logits, 1));
}

LA_INLINE void LanguageModel::prefill(const SequenceInput& input, i64 until, Workspace& workspace,
                                      const Interrupt& interrupt) {
  assert(until < i64(input.sequence.size()));
  while (input.cache->length() < until) {
    Batch batch(interrupt);
    batch.add(input, std::min(until, input.cache->length() + kPrefillChunk), mask_token_);
    run(batch, workspace, {});
  }
}

/// The residual stream of the rows whose logits are wanted, before the last norm.    shape: last [logits(), C]
LA_INLINE void LanguageModel::run(Batch& batch, Workspace& workspace, Matrix last) {
  const Workspace::Scope scope(workspace);
  const Matrix x = workspace.matrix(batch.size(), config_.hidden_size);  // [T, C]
  // What is sent to a device comes before the ops: there they wait for each other, and go as one.
  for (const KvTokens& t : batch.tokens) t.cache->extend(t.count);
  RopeTable rope = text_rope(batch.positions, config_.head_dim, config_.rope_theta, ops_, workspace);
  if (!batch.blocks.empty()) {
    batch.feed = detail::take_feed(i64(batch.blocks.size()), workspace);
    ops_.follow_blocks(batch.summaries, batch.blocks, *batch.special, batch.feed);
    batch.summaries = batch.feed.ids;
    for (ConstMatrix* angles : {&rope.cos, &rope.sin}) {
      const Matrix chosen = workspace.matrix(batch.size(), angles->shape[1]);
      ops_.gather(*angles, List<std::int32_t>::in_backend(batch.feed.angles), chosen);
      *angles = chosen;
    }
  }
  if (batch.summaries.data)
    ops_.embed_best(*weights_.embedding, batch.summaries, batch.ids, x);
  else
    ops_.embedding(*weights_.embedding, batch.ids, x);
  for (const auto& [row, image] : batch.images) {
    std::vector<std::int32_t> all(std::size_t(image.shape[0]));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = std::int32_t(i);
    ops_.gather(image, all, x.rows(row, image.shape[0]));
  }
  for (std::size_t i = 0; i < weights_.layers.size(); ++i)
    layer(weights_.layers[i], i64(i), batch, rope, workspace, x, last);
}

LA_INLINE void LanguageModel::layer(const DecoderLayer& l, i64 index, const Batch& batch,
                                    const RopeTable& rope, Workspace& workspace, Matrix x, Matrix last) {
  const i64 tokens = batch.size(), size = config_.head_dim;
  const i64 q_width = config_.heads * size, kv_width = config_.kv_heads * size;
  const Workspace::Scope scope(workspace);
  check_interrupt(batch.interrupt);

  const Matrix qkv = workspace.matrix(tokens, q_width + 2 * kv_width);  // [T, (H + 2G) D]
  {
    const Workspace::Scope norm_scope(workspace);
    const Matrix h = workspace.matrix(tokens, config_.hidden_size);  // [T, C]
    ops_.project_heads(x, {l.input_norm.view, {}, config_.rms_eps}, *l.qkv,
                       {rope.cos, rope.sin, Rope::halves}, batch.tokens, index, h, qkv);
  }

  // What follows concerns each row alone: of the last layer's, those without logits are needed no more.
  const Matrix queries = qkv.columns(0, q_width);
  if (index + 1 < config_.layers) {
    attend_and_mix(l, index, batch.rows, batch.seen(), queries, workspace, x, batch.interrupt);
  } else if (batch.logits() > 0) {
    const Matrix wanted = workspace.matrix(batch.logits(), q_width);
    ops_.gather(queries, batch.wanted(), wanted);
    ops_.gather(x, batch.wanted(), last);
    attend_and_mix(l, index, batch.logit_queries, batch.seen_by_wanted(), wanted, workspace, last,
                   batch.interrupt);
  }
}

/// x += o(attention(q)), x += down(silu(gate(h)) * up(h)) with h = rms_norm(x).    shape: q [T, H D], overwritten; x [T, C]
LA_INLINE void LanguageModel::attend_and_mix(const DecoderLayer& l, i64 index, std::vector<KvRows> rows,
                                             const List<KeyMask>& visible, Matrix q, Workspace& workspace,
                                             Matrix x, const Interrupt& interrupt) {
  check_interrupt(interrupt);
  for (KvRows& of_sequence : rows) of_sequence.layer = index;
  const Cube heads = q.split_heads(config_.heads);
  ops_.attention(heads, rows, visible, float(1.0 / std::sqrt(double(config_.head_dim))), heads);

  const i64 tokens = x.shape[0];
  const Matrix h = workspace.matrix(tokens, config_.hidden_size);                  // [T, C]
  const Matrix gate_up = workspace.matrix(tokens, 2 * config_.intermediate_size);  // [T, 2F]
  const Matrix wide = workspace.matrix(tokens, config_.intermediate_size);         // [T, F]
  check_interrupt(interrupt);
  const Norm norm{l.post_attention_norm.view, {}, config_.rms_eps};
  ops_.mix(q, *l.o, {norm, *l.gate_up, Activation::swiglu, *l.down}, h, gate_up, wide, x);
}

}  // namespace la::inline LA_ABI
