#include "model_weights.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <optional>
#include <utility>

#include "../core/error.hpp"
#include "../weights/int4_checkpoint.hpp"
#include "../weights/packed_file.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// What becomes of a stored weight; null when it is only checked.
using MakeWeight = std::function<std::unique_ptr<Weight>(const StoredWeight&)>;

/// Gets tensors by name and shape; without a backend it stops after the checks.
class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, const ModelConfig& config, Ops* ops, MakeWeight make)
      : checkpoint_(checkpoint), quantization_(config.quantization), ops_(ops), make_(std::move(make)) {}

  /// A part of a linear layer: `name`.weight [n, k], or its integers, and, when asked for, `name`.bias [n].
  enum class Bias { none, stored };
  struct Linear {
    std::string name;
    i64 outputs;
    Bias bias;
    i64 first = 0, count = outputs;  ///< the rows that are used
  };

  /// The linear layers stacked to one weight called `name`.
  std::unique_ptr<Weight> linear(const std::string& name, ModelPart part,
                                 std::initializer_list<Linear> stacked, i64 inputs,
                                 Precision precision = Precision::usual) {
    if (auto packed = packed_linear(name, part, stacked, inputs, precision)) return std::move(*packed);
    // Lists, because parts point at their elements.
    std::list<StoredInt4> integers;
    std::list<StoredTensor> rows;
    std::vector<WeightPart> parts;
    for (const Linear& l : stacked) {
      WeightPart p;
      p.precision = precision;
      if (auto found = find_int4(checkpoint_, quantization_, l.name, l.outputs, inputs)) {
        found->first = l.first;
        found->outputs = l.count;
        p.int4 = &integers.emplace_back(*found);
      } else {
        p.weight = &rows.emplace_back(rows_of(floats(l.name + ".weight", {l.outputs, inputs}), l));
      }
      if (l.bias == Bias::stored)
        p.bias = &rows.emplace_back(rows_of(floats(l.name + ".bias", {l.outputs}), l));
      parts.push_back(p);
    }
    return make({name, part, parts});
  }

  /// The convolution over a patch, as a linear layer of its pixels.
  std::unique_ptr<Weight> patch_embed(const std::string& name, i64 channels, i64 patch) {
    if (auto packed =
            packed_linear(name, ModelPart::vision, {{name, channels, Bias::stored}}, 3 * patch * patch))
      return std::move(*packed);
    const WeightPart p{&floats(name + ".weight", {channels, 3, patch, patch}),
                       &floats(name + ".bias", {channels})};
    return make({name, ModelPart::vision, std::span(&p, 1)});
  }

  DeviceVector vector(const std::string& name, std::initializer_list<i64> shape) {
    const StoredTensor& tensor = floats(name, shape);
    DeviceVector v;
    if (!ops_) return v;
    require_whole_files();
    std::vector<float> host(std::size_t(tensor.size()));
    read_f32(tensor, 0, host);
    require_whole_files();
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
            tensor.file->path(), ": tensor ", name, ": expected BF16, F16 or F32, found ",
            name_of(tensor.dtype));
    return tensor;
  }

  bool reads() const noexcept { return ops_ != nullptr; }
  /// Before bytes are read, so that a file cut short is an error wherever it can be; after, so that it always is.
  void require_whole_files() const {
    for (const SafetensorsFile& file : checkpoint_.files()) file.file().require_whole();
  }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::unique_ptr<Weight> make(const StoredWeight& stored) {
    if (!make_) return nullptr;
    require_whole_files();
    auto weight = make_(stored);
    require_whole_files();
    if (weight) bytes_ += weight->bytes();
    return weight;
  }

  /// Nothing when this is no packed file.
  std::optional<std::unique_ptr<Weight>> packed_linear(const std::string& name, ModelPart part,
                                                       std::initializer_list<Linear> stacked, i64 inputs,
                                                       Precision precision = Precision::usual) {
    i64 outputs = 0;
    bool biased = false;
    for (const Linear& l : stacked) {
      outputs += l.count;
      biased = biased || l.bias == Bias::stored;
    }
    const std::optional<StoredPanels> panels = find_panels(checkpoint_, name, outputs, inputs);
    if (!panels) return std::nullopt;
    WeightPart p;
    p.precision = precision;
    p.panels = &*panels;
    if (biased) p.bias = &floats(name + ".bias", {outputs});
    return make({name, part, std::span(&p, 1)});
  }

  static StoredTensor rows_of(StoredTensor t, const Linear& l) {
    const std::size_t row = t.bytes.size() / std::size_t(l.outputs);
    t.bytes = t.bytes.subspan(std::size_t(l.first) * row, std::size_t(l.count) * row);
    t.shape[0] = l.count;
    return t;
  }

  const Checkpoint& checkpoint_;
  const std::optional<QuantizationConfig>& quantization_;
  Ops* ops_;
  MakeWeight make_;
  std::size_t bytes_ = 0;
};

inline VisionBlock read_vision_block(WeightReader& read, const std::string& name, const VisionConfig& c) {
  using Bias = WeightReader::Bias;
  constexpr ModelPart kPart = ModelPart::vision;
  const i64 channels = c.hidden_size, ffn = c.intermediate_size;
  VisionBlock b;
  b.norm0 = read.layer_norm(name + "norm0", channels);
  const std::string qkv = name + "wqkv";
  b.q = read.linear(name + "wq", kPart, {{qkv, 3 * channels, Bias::stored, 0, channels}}, channels);
  b.kv =
      read.linear(name + "wkv", kPart, {{qkv, 3 * channels, Bias::stored, channels, 2 * channels}}, channels);
  b.wo = read.linear(name + "wo", kPart, {{name + "wo", channels, Bias::stored}}, channels);
  b.norm1 = read.layer_norm(name + "norm1", channels);
  b.fc0 = read.linear(name + "mlp.fc0", kPart, {{name + "mlp.fc0", ffn, Bias::stored}}, channels);
  b.fc1 = read.linear(name + "mlp.fc1", kPart, {{name + "mlp.fc1", channels, Bias::stored}}, ffn);
  return b;
}

inline DecoderLayer read_decoder_layer(WeightReader& read, const std::string& name, const TextConfig& c) {
  using Bias = WeightReader::Bias;
  constexpr ModelPart kPart = ModelPart::decoder;
  const i64 channels = c.hidden_size, ffn = c.intermediate_size, q = c.heads * c.head_dim,
            kv = c.kv_heads * c.head_dim;
  DecoderLayer l;
  l.input_norm = read.vector(name + "input_layernorm.weight", {channels});
  l.qkv = read.linear(name + "self_attn.qkv_proj", kPart,
                      {{name + "self_attn.q_proj", q, Bias::stored},
                       {name + "self_attn.k_proj", kv, Bias::stored},
                       {name + "self_attn.v_proj", kv, Bias::stored}},
                      channels, Precision::high);  // what queries and keys lack, scores multiply
  l.o = read.linear(name + "self_attn.o_proj", kPart, {{name + "self_attn.o_proj", channels, Bias::none}}, q,
                    Precision::high);
  l.post_attention_norm = read.vector(name + "post_attention_layernorm.weight", {channels});
  l.gate_up = read.linear(
      name + "mlp.gate_up_proj", kPart,
      {{name + "mlp.gate_proj", ffn, Bias::none}, {name + "mlp.up_proj", ffn, Bias::none}}, channels);
  l.down = read.linear(name + "mlp.down_proj", kPart, {{name + "mlp.down_proj", channels, Bias::none}}, ffn);
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

inline void read_head(WeightReader& read, const Checkpoint& checkpoint, const TextConfig& c,
                      ModelWeights& w) {
  using Bias = WeightReader::Bias;
  const std::string head = "language_model.lm_head", embedding = "language_model.model.embed_tokens";
  w.language.embedding = read.linear(embedding, ModelPart::head, {{embedding, c.vocab_size, Bias::none}},
                                     c.hidden_size, Precision::high);
  const StoredTensor* stored = checkpoint.find(head + ".weight");
  if (!c.tie_word_embeddings) {
    w.language.untied_head = read.linear(head, ModelPart::head, {{head, c.vocab_size, Bias::none}},
                                         c.hidden_size, Precision::high);
  } else if (stored && read.reads() && checkpoint.find(embedding + ".weight")) {
    const StoredTensor& table = read.floats(embedding + ".weight", {c.vocab_size, c.hidden_size});
    if (!same_bytes(*stored, table))
      w.warnings.push_back(stored->file->path() + ": tensor " + stored->name +
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
  step();

  const std::string vision = "vision_model.";
  w.vision.patch_embed = read.patch_embed(vision + "patch_embed.proj", v.hidden_size, v.patch_size);
  w.vision.position_grid =
      read.vector(vision + "patch_embed.pos_emb.weight", {v.grid_h, v.grid_w, v.hidden_size});
  for (i64 i = 0; i < v.layers; ++i, step())
    w.vision.blocks.push_back(
        read_vision_block(read, vision + "encoder.blocks." + std::to_string(i) + ".", v));
  w.vision.final_norm = read.layer_norm(vision + "encoder.final_layernorm", v.hidden_size);

  const i64 merged = v.merge * v.merge * v.hidden_size;
  w.projector.norm = read.layer_norm("mlp1.0", merged);
  w.projector.linear1 = read.linear("mlp1.1", ModelPart::projector,
                                    {{"mlp1.1", t.hidden_size, WeightReader::Bias::stored}}, merged);
  w.projector.linear2 = read.linear("mlp1.3", ModelPart::projector,
                                    {{"mlp1.3", t.hidden_size, WeightReader::Bias::stored}}, t.hidden_size);
  step();

  for (i64 i = 0; i < t.layers; ++i, step())
    w.language.layers.push_back(
        read_decoder_layer(read, "language_model.model.layers." + std::to_string(i) + ".", t));
  w.language.norm = read.vector("language_model.model.norm.weight", {t.hidden_size});
  w.bytes = read.bytes();
  read.require_whole_files();
  return w;
}

}  // namespace detail

LA_INLINE ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config, Ops& ops,
                                    WeightFormat format, const Progress& progress) {
  const auto make = [&](const StoredWeight& stored) { return ops.make_weight(stored.parts, format); };
  detail::WeightReader read(checkpoint, config, &ops, make);
  ModelWeights weights = detail::read_model(read, checkpoint, config, progress);
  for (const SafetensorsFile& file : checkpoint.files()) weights.files.push_back(file.mapping());
  return weights;
}

LA_INLINE void ModelWeights::require_whole() const {
  for (const auto& file : files)
    if (const auto mapping = file.lock()) mapping->require_whole();
}

LA_INLINE void for_each_weight(const Checkpoint& checkpoint, const ModelConfig& config,
                               const std::function<void(const StoredWeight&)>& visit) {
  const auto make = [&](const StoredWeight& stored) {
    visit(stored);
    return std::unique_ptr<Weight>();
  };
  detail::WeightReader read(checkpoint, config, nullptr, make);
  detail::read_model(read, checkpoint, config, {});
}

LA_INLINE void check_weights(const Checkpoint& checkpoint, const ModelConfig& config) {
  detail::WeightReader read(checkpoint, config, nullptr, {});
  detail::read_model(read, checkpoint, config, {});
}

}  // namespace la::inline LA_ABI
