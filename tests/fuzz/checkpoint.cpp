// A checkpoint directory of which one JSON file is the input: its first character says which.
#include <map>

#include "fuzz.hpp"
#include "la/io/checkpoint.hpp"
#include "la/model/config.hpp"
#include "la/model/model_weights.hpp"

namespace {

constexpr const char* kFiles[] = {"config.json", "preprocessor_config.json", "quantization_config.json",
                                  "model.safetensors.index.json"};

const la::fuzz::Scratch& directory() {
  static const la::fuzz::Scratch scratch;
  return scratch;
}

/// The small checkpoint in two shards, as it is.
void restore(const char* name) {
  static std::map<std::string, std::string> files;
  const auto [file, is_new] = files.try_emplace(name);
  if (is_new) file->second = la::fuzz::read_source(std::string("tests/checkpoints/odd/") + name);
  if (file->second.empty())
    std::filesystem::remove(directory() / name);
  else
    directory().write(name, file->second);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  for (const char* name : kFiles) restore(name);
  for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    restore(shard);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  fuzz::Input input(data, size);
  const char* name = kFiles[input.byte() % std::size(kFiles)];
  directory().write(name, input.rest());
  fuzz::accepted([] {
    const ModelConfig config = ModelConfig::load(directory().path());
    const TextConfig& t = config.text;
    const VisionConfig& v = config.vision;
    fuzz::require_that(
        t.heads * t.head_dim == t.hidden_size && t.heads % t.kv_heads == 0 && t.head_dim % 2 == 0,
        "decoder heads divide");
    fuzz::require_that(v.heads * v.head_dim == v.hidden_size && v.head_dim % 4 == 0, "encoder heads divide");
    fuzz::require_that(t.layers > 0 && v.layers > 0 && t.vocab_size > 0 && t.max_positions > 0,
                       "sizes are positive");
    for (const std::int32_t id : {config.tokens.image, config.tokens.box_start, config.tokens.end,
                                  config.tokens.null, config.tokens.coord_last})
      fuzz::require_that(id >= 0 && id < t.vocab_size, "ids are inside the vocabulary");
    const Checkpoint checkpoint = Checkpoint::open(directory().path());
    check_weights(checkpoint, config);
  });
  restore(name);
  return 0;
}
