#include "weights.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>

#include "../core/error.hpp"

namespace la {
namespace detail {

/// Gets tensors by name and shape; without a backend it stops after the checks.
class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, Ops* ops, Weights format)
      : checkpoint_(checkpoint), ops_(ops), format_(format) {}

  /// A part of a linear layer: `name`.weight [n, k] and, when asked for, `name`.bias [n].
  enum class Bias { none, stored };
  struct Linear {
    std::string name;
    i64 outputs;
    Bias bias;
  };

  std::unique_ptr<Weight> linear(std::initializer_list<Linear> stacked, i64 inputs) {
    std::vector<WeightPart> parts;
    for (const Linear& l : stacked)
      parts.push_back({&floats(l.name + ".weight", {l.outputs, inputs}),
                       l.bias == Bias::stored ? &floats(l.name + ".bias", {l.outputs}) : nullptr});
    return make(parts);
  }

  std::unique_ptr<Weight> matrix(const std::string& name, std::initializer_list<i64> shape) {
    const WeightPart part{&floats(name, shape), nullptr};
    return make(std::span(&part, 1));
  }

  /// Rows [first, first + count) of a linear layer that is stored as one tensor of `outputs` rows.
  std::unique_ptr<Weight> linear_rows(const std::string& name, i64 outputs, i64 inputs, i64 first, i64 count) {
    StoredTensor weight = floats(name + ".weight", {outputs, inputs}), bias = floats(name + ".bias", {outputs});
    for (StoredTensor* t : {&weight, &bias}) {
      const std::size_t row = t->bytes.size() / std::size_t(outputs);
      t->bytes = t->bytes.subspan(std::size_t(first) * row, std::size_t(count) * row);
      t->shape[0] = count;
    }
    const WeightPart part{&weight, &bias};
    return make(std::span(&part, 1));
  }

  DeviceVector vector(const std::string& name, std::initializer_list<i64> shape) {
    const StoredTensor& tensor = floats(name, shape);
    DeviceVector v;
    if (!ops_) return v;
    std::vector<float> host(std::size_t(tensor.size()));
    read_f32(tensor, 0, host);
    v.memory = ops_->allocate(host.size() * sizeof(float));
    ops_->upload(host.data(), v.memory.get(), host.size() * sizeof(float));
    v.view = ConstVector(reinterpret_cast<const float*>(v.memory.get()), {tensor.size()});
    return v;
  }

  LayerNorm layer_norm(const std::string& name, i64 channels) {
    return {vector(name + ".weight", {channels}), vector(name + ".bias", {channels})};
  }

  const StoredTensor& floats(const std::string& name, std::initializer_list<i64> shape) const {
    const StoredTensor& tensor = checkpoint_.get(name, shape);
    require(tensor.dtype == DType::f32 || tensor.dtype == DType::f16 || tensor.dtype == DType::bf16,
            tensor.file->path(), ": tensor ", name, ": expected BF16, F16 or F32, found ", name_of(tensor.dtype));
    return tensor;
  }

  /// Null without a backend.
  std::unique_ptr<Weight> make(std::span<const WeightPart> parts) {
    if (!ops_) return nullptr;
    auto weight = ops_->make_weight(parts, format_);
    bytes_ += weight->bytes();
    return weight;
  }

  bool reads() const noexcept { return ops_ != nullptr; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  const Checkpoint& checkpoint_;
  Ops* ops_;
  Weights format_;
  std::size_t bytes_ = 0;
};

inline VisionBlock read_vision_block(WeightReader& read, const std::string& name, const VisionConfig& c) {
  using Bias = WeightReader::Bias;
  const i64 channels = c.hidden_size, ffn = c.intermediate_size;
  VisionBlock b;
  b.norm0 = read.layer_norm(name + "norm0", channels);
  b.q = read.linear_rows(name + "wqkv", 3 * channels, channels, 0, channels);
  b.kv = read.linear_rows(name + "wqkv", 3 * channels, channels, channels, 2 * channels);
  b.wo = read.linear({{name + "wo", channels, Bias::stored}}, channels);
  b.norm1 = read.layer_norm(name + "norm1", channels);
  b.fc0 = read.linear({{name + "mlp.fc0", ffn, Bias::stored}}, channels);
  b.fc1 = read.linear({{name + "mlp.fc1", channels, Bias::stored}}, ffn);
  return b;
}

inline DecoderLayer read_decoder_layer(WeightReader& read, const std::string& name, const TextConfig& c) {
  using Bias = WeightReader::Bias;
  const i64 channels = c.hidden_size, ffn = c.intermediate_size, q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  DecoderLayer l;
  l.input_norm = read.vector(name + "input_layernorm.weight", {channels});
  l.qkv = read.linear({{name + "self_attn.q_proj", q, Bias::stored},
                       {name + "self_attn.k_proj", kv, Bias::stored},
                       {name + "self_attn.v_proj", kv, Bias::stored}},
                      channels);
  l.o = read.linear({{name + "self_attn.o_proj", channels, Bias::none}}, q);
  l.post_attention_norm = read.vector(name + "post_attention_layernorm.weight", {channels});
  l.gate_up = read.linear({{name + "mlp.gate_proj", ffn, Bias::none}, {name + "mlp.up_proj", ffn, Bias::none}}, channels);
  l.down = read.linear({{name + "mlp.down_proj", channels, Bias::none}}, ffn);
  return l;
}

/// Byte for byte, in pieces whose file pages are given back at once.
inline bool same_bytes(const StoredTensor& a, const StoredTensor& b) {
  constexpr std::size_t piece = std::size_t{64} << 20;
  if (a.dtype != b.dtype || a.bytes.size() != b.bytes.size()) return false;
  for (std::size_t at = 0; at < a.bytes.size(); at += piece) {
    const std::size_t n = std::min(piece, a.bytes.size() - at);
    const bool same = std::memcmp(a.bytes.data() + at, b.bytes.data() + at, n) == 0;
    a.file->release(a.bytes.subspan(at, n));
    b.file->release(b.bytes.subspan(at, n));
    if (!same) return false;
  }
  return true;
}

inline void read_head(WeightReader& read, const Checkpoint& checkpoint, const TextConfig& c, ModelWeights& w) {
  const std::string head = "language_model.lm_head.weight", embedding = "language_model.model.embed_tokens.weight";
  if (!c.tie_word_embeddings) {
    w.language.untied_head = read.matrix(head, {c.vocab_size, c.hidden_size});
  } else if (const StoredTensor* stored = checkpoint.find(head); stored && read.reads()) {
    const StoredTensor& table = read.floats(embedding, {c.vocab_size, c.hidden_size});
    if (!same_bytes(*stored, table))
      w.warnings.push_back(stored->file->path() + ": tensor " + head +
                           " differs from the embedding it is tied to; the embedding is used");
  }
}

inline ModelWeights read_model(WeightReader& read, const Checkpoint& checkpoint, const ModelConfig& config,
                               const Progress& progress) {
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const double steps = double(v.layers + t.layers + 2);
  double done = 0;
  const auto step = [&] {
    if (progress) progress(++done / steps);
  };

  ModelWeights w;
  read_head(read, checkpoint, t, w);
  w.language.embedding = read.matrix("language_model.model.embed_tokens.weight", {t.vocab_size, t.hidden_size});
  step();

  const std::string vision = "vision_model.";
  const i64 patch = v.patch_size;
  const WeightPart embed{&read.floats(vision + "patch_embed.proj.weight", {v.hidden_size, 3, patch, patch}),
                         &read.floats(vision + "patch_embed.proj.bias", {v.hidden_size})};
  w.vision.patch_embed = read.make(std::span(&embed, 1));
  w.vision.position_grid = read.vector(vision + "patch_embed.pos_emb.weight", {v.grid_h, v.grid_w, v.hidden_size});
  for (i64 i = 0; i < v.layers; ++i, step())
    w.vision.blocks.push_back(read_vision_block(read, vision + "encoder.blocks." + std::to_string(i) + ".", v));
  w.vision.final_norm = read.layer_norm(vision + "encoder.final_layernorm", v.hidden_size);

  const i64 merged = v.merge * v.merge * v.hidden_size;
  w.projector.norm = read.layer_norm("mlp1.0", merged);
  w.projector.linear1 = read.linear({{"mlp1.1", t.hidden_size, WeightReader::Bias::stored}}, merged);
  w.projector.linear2 = read.linear({{"mlp1.3", t.hidden_size, WeightReader::Bias::stored}}, t.hidden_size);
  step();

  for (i64 i = 0; i < t.layers; ++i, step())
    w.language.layers.push_back(read_decoder_layer(read, "language_model.model.layers." + std::to_string(i) + ".", t));
  w.language.norm = read.vector("language_model.model.norm.weight", {t.hidden_size});
  w.bytes = read.bytes();
  return w;
}

}  // namespace detail

LA_INLINE ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config, Ops& ops, Weights format,
                                    const Progress& progress) {
  detail::WeightReader read(checkpoint, &ops, format);
  return detail::read_model(read, checkpoint, config, progress);
}

LA_INLINE void check_weights(const Checkpoint& checkpoint, const ModelConfig& config) {
  detail::WeightReader read(checkpoint, nullptr, Weights::auto_);
  detail::read_model(read, checkpoint, config, {});
}

}  // namespace la
