#include "config.hpp"

#include <cstdint>
#include <system_error>

#include "../core/error.hpp"
#include "../io/json.hpp"
#include "../decoding/block.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Far above any model of this kind: a larger number is a damaged file.
struct ConfigLimit {
  static constexpr i64 width = 1 << 18;  // hidden and feed-forward sizes
  static constexpr i64 layers = 1 << 10;
  static constexpr i64 heads = 1 << 10;
  static constexpr i64 vocabulary = 1 << 22;
  static constexpr i64 positions = 1 << 24;
  static constexpr i64 grid = 512;  // patches a side, as of a picture
  static constexpr i64 patch = 256;
};

/// The only merge_kernel_size that the projector's order of patches is defined for.
inline constexpr i64 kConfigMerge = 2;

/// The size of one head: hidden_size / heads, which must be a multiple of `multiple` for RoPE.
inline i64 read_head_dim(const JsonValue& config, i64 hidden_size, i64 heads, i64 multiple) {
  const JsonValue count = config.at("num_attention_heads");
  if (hidden_size % heads != 0) count.fail_expected(concat("a divisor of hidden_size ", hidden_size));
  const i64 head_dim = hidden_size / heads;
  if (head_dim % multiple != 0) {
    count.fail_expected(concat("heads whose size is a multiple of ", multiple, ", not ", head_dim));
  }
  if (const auto stated = config.find("head_dim")) stated->integer(head_dim, head_dim);
  return head_dim;
}

/// What this decoder does not do: the reference would compute something else.
inline void refuse_other_decoders(const JsonValue& config) {
  config.at("block_size").integer(kBlockSize, kBlockSize);
  for (const char* key : {"causal_attn", "use_sliding_window"}) {
    const auto value = config.find(key);
    if (value && value->boolean()) value->fail_expected("false");
  }
  const auto activation = config.find("hidden_act");
  if (activation && activation->string() != "silu") activation->fail_expected("\"silu\"");
  if (const auto scaling = config.find("rope_scaling")) scaling->fail_expected("null");
}

inline TextConfig read_text_config(const JsonValue& config) {
  refuse_other_decoders(config);
  TextConfig text;
  text.hidden_size = config.at("hidden_size").integer(1, ConfigLimit::width);
  text.intermediate_size = config.at("intermediate_size").integer(1, ConfigLimit::width);
  text.layers = config.at("num_hidden_layers").integer(1, ConfigLimit::layers);
  text.heads = config.at("num_attention_heads").integer(1, ConfigLimit::heads);
  text.head_dim = read_head_dim(config, text.hidden_size, text.heads, 2);
  const JsonValue kv_heads = config.at("num_key_value_heads");
  text.kv_heads = kv_heads.integer(1, text.heads);
  if (text.heads % text.kv_heads != 0) {
    kv_heads.fail_expected(concat("a divisor of num_attention_heads ", text.heads));
  }
  text.vocab_size = config.at("vocab_size").integer(1, ConfigLimit::vocabulary);
  text.max_positions = config.at("max_position_embeddings").integer(1, ConfigLimit::positions);
  text.rms_eps = float(config.at("rms_norm_eps").number(1e-12, 1e-1));
  text.rope_theta = config.at("rope_theta").number(1, 1e12);
  const auto tied = config.find("tie_word_embeddings");
  text.tie_word_embeddings = tied && tied->boolean();
  return text;
}

/// error: merge_kernel_size is missing or not [2, 2]
inline i64 read_merge(const JsonValue& config) {
  const JsonValue kernel = config.at("merge_kernel_size");
  const std::vector<JsonValue> sides = kernel.array();
  if (sides.size() != 2) kernel.fail_expected("2 numbers");
  for (const JsonValue& side : sides) side.integer(kConfigMerge, kConfigMerge);
  return kConfigMerge;
}

inline VisionConfig read_vision_config(const JsonValue& config) {
  VisionConfig vision;
  vision.hidden_size = config.at("hidden_size").integer(1, ConfigLimit::width);
  vision.intermediate_size = config.at("intermediate_size").integer(1, ConfigLimit::width);
  vision.layers = config.at("num_hidden_layers").integer(1, ConfigLimit::layers);
  vision.heads = config.at("num_attention_heads").integer(1, ConfigLimit::heads);
  vision.head_dim = read_head_dim(config, vision.hidden_size, vision.heads, 4);
  vision.patch_size = config.at("patch_size").integer(1, ConfigLimit::patch);
  vision.grid_h = config.at("init_pos_emb_height").integer(1, ConfigLimit::grid);
  vision.grid_w = config.at("init_pos_emb_width").integer(1, ConfigLimit::grid);
  vision.merge = read_merge(config);
  return vision;
}

struct TokenKey {
  const char* key;
  std::int32_t SpecialTokens::*id;
};

inline constexpr TokenKey kModelTokenKeys[] = {
    {"image_token_index", &SpecialTokens::image},  {"box_start_token_id", &SpecialTokens::box_start},
    {"box_end_token_id", &SpecialTokens::box_end}, {"ref_start_token_id", &SpecialTokens::ref_start},
    {"ref_end_token_id", &SpecialTokens::ref_end}, {"none_token_id", &SpecialTokens::none}};

inline constexpr TokenKey kTextTokenKeys[] = {{"text_mask_token_id", &SpecialTokens::mask},
                                              {"null_token_id", &SpecialTokens::null},
                                              {"switch_token_id", &SpecialTokens::switch_to_ar},
                                              {"eos_token_id", &SpecialTokens::end}};

inline std::int32_t read_token(const JsonValue& id, i64 vocab_size) {
  return std::int32_t(id.integer(0, vocab_size - 1));
}

inline SpecialTokens read_tokens(const JsonValue& root, i64 vocab_size) {
  const JsonValue text = root.at("text_config");
  SpecialTokens tokens;
  const JsonValue last = root.at("coord_end_token_id");
  tokens.coord_first = read_token(root.at("coord_start_token_id"), vocab_size);
  tokens.coord_last = read_token(last, vocab_size);
  if (tokens.coord_last <= tokens.coord_first) {
    last.fail_expected(concat("an id above coord_start_token_id ", tokens.coord_first));
  }
  const auto read = [&](const JsonValue& parent, const TokenKey& token) {
    const JsonValue id = parent.at(token.key);
    tokens.*token.id = read_token(id, vocab_size);
    if (tokens.is_coord(tokens.*token.id)) id.fail_expected("an id that is not one of the coordinates");
  };
  for (const TokenKey& token : kModelTokenKeys) read(root, token);
  for (const TokenKey& token : kTextTokenKeys) read(text, token);
  return tokens;
}

inline std::optional<QuantizationConfig> read_quantization(const JsonValue& config) {
  QuantizationConfig quantization;
  quantization.bits = config.at("bits").integer(1, 16);
  quantization.group_size = config.at("group_size").integer(-1, ConfigLimit::width);  // -1: one group
  if (const auto sym = config.find("sym")) quantization.sym = sym->boolean();
  if (const auto method = config.find("quant_method")) quantization.quant_method = method->string();
  for (const char* key : {"checkpoint_format", "packing_format"})
    if (const auto format = config.find(key)) quantization.packing_format = format->string();
  return quantization;
}

inline std::optional<QuantizationConfig> load_quantization(const JsonValue& root,
                                                           const CheckpointFiles& source) {
  if (const auto inside = root.find("quantization_config")) return read_quantization(*inside);
  if (!source.contains("quantization_config.json")) return std::nullopt;
  return read_quantization(JsonFile::open(source.file("quantization_config.json")).root());
}

inline void read_channels(const JsonValue& config, const char* key, double min,
                          std::array<float, 3>& channels) {
  const auto found = config.find(key);
  if (!found) return;
  const std::vector<JsonValue> values = found->array();
  if (values.size() != channels.size()) found->fail_expected("3 numbers");
  for (std::size_t c = 0; c < channels.size(); ++c) channels[c] = float(values[c].number(min, 1e3));
}

}  // namespace detail

LA_INLINE ProcessorConfig load_processor_config(const CheckpointFiles& source) {
  const JsonFile file = JsonFile::open(source.file("preprocessor_config.json"));
  const JsonValue root = file.root();
  using Limit = detail::ConfigLimit;
  ProcessorConfig config;
  if (const auto limit = root.find("in_token_limit")) {
    config.in_token_limit = limit->integer(1, Limit::grid * Limit::grid);
  }
  if (const auto patch = root.find("patch_size")) config.patch_size = patch->integer(1, Limit::patch);
  if (root.find("merge_kernel_size")) config.merge = detail::read_merge(root);
  detail::read_channels(root, "image_mean", -1e3, config.mean);
  detail::read_channels(root, "image_std", 1e-3, config.std);  // divides
  return config;
}

LA_INLINE ModelConfig ModelConfig::load(const CheckpointFiles& source) {
  const FileRef ref = source.file("config.json");
  if (!source.contains("config.json"))
    fail(ref.path, ": No such file or directory", source.describe_foreign());
  const JsonFile file = JsonFile::open(ref);
  const JsonValue root = file.root();
  ModelConfig config;
  config.directory = source.directory();
  config.text = detail::read_text_config(root.at("text_config"));
  config.vision = detail::read_vision_config(root.at("vision_config"));
  config.tokens = detail::read_tokens(root, config.text.vocab_size);
  config.quantization = detail::load_quantization(root, source);
  config.processor = load_processor_config(source);
  require(config.processor.patch_size == config.vision.patch_size, source.path_of("preprocessor_config.json"),
          ": patch_size: expected ", config.vision.patch_size, " as in vision_config, found ",
          config.processor.patch_size);
  return config;
}

}  // namespace la::inline LA_ABI
