#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <new>

#include "../../la/core/error.hpp"
#include "../../la/image/load.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/quantize/quantize.hpp"
#include "../../la/session/session.hpp"
#include "../../la/weights/packed_weight.hpp"
#include "../support.hpp"

// A checkpoint out of buffers that the caller keeps.
namespace la::test {
namespace {

struct PageDelete {
  void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{4096}); }
};

/// The files of a checkpoint, each on pages of its own, `shift` bytes past the first one's begin.
class Buffers {
 public:
  explicit Buffers(const std::string& directory, std::size_t shift = 0) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const std::string text = read_file(entry.path().string());
      auto* bytes = static_cast<std::byte*>(::operator new (text.size() + shift, std::align_val_t{4096}));
      pages_.emplace_back(bytes);
      std::memcpy(bytes + shift, text.data(), text.size());
      put(entry.path().filename().string(), {bytes + shift, text.size()});
    }
  }

  std::vector<NamedBuffer> all() const {
    std::vector<NamedBuffer> list;
    for (const auto& [name, bytes] : files_) list.push_back({name, bytes});
    return list;
  }
  std::span<const std::byte> at(const std::string& name) const { return files_.at(name); }
  void put(const std::string& name, std::span<const std::byte> bytes) { files_[name] = bytes; }
  void drop(const std::string& name) { REQUIRE(files_.erase(name) == 1); }
  bool holds(const std::byte* data, std::size_t size) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& file) {
      return data >= file.second.data() && data + size <= file.second.data() + file.second.size();
    });
  }

 private:
  std::map<std::string, std::span<const std::byte>> files_;
  std::vector<std::unique_ptr<std::byte, PageDelete>> pages_;
};

SessionOptions one_thread_options() {
  SessionOptions options;
  options.threads = 1;
  return options;
}

void check_same_answers(Session& one, Session& other) {
  const Image image = load_image(source("data/pictures/shapes.png"));
  const EncodedImage a = one.encode(image), b = other.encode(image);
  AskOptions options;
  options.generation.max_new_tokens = 24;
  for (const char* phrase : {"red circle", "star"}) {
    const Result expected = one.ground(a, phrase, options), found = other.ground(b, phrase, options);
    CHECK(found.token_ids.size() > 0);
    CHECK(found.token_ids == expected.token_ids);
    CHECK(found.answer == expected.answer);
  }
  CHECK(other.weight_format() == one.weight_format());
}

void check_like_files(const std::string& directory, std::size_t shift) {
  const Buffers buffers(directory, shift);
  Session files = Session::open(directory, one_thread_options());
  Session memory = Session::open(Checkpoint::from_memory(buffers.all()), one_thread_options());
  check_same_answers(files, memory);
  // Giving pages back would have made zeros of them.
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string text = read_file(entry.path().string());
    const auto bytes = buffers.at(entry.path().filename().string());
    CHECK_MESSAGE(std::memcmp(bytes.data(), text.data(), text.size()) == 0, entry.path());
  }
}

std::string packed_checkpoint(const TemporaryDirectory& directory) {
  const std::string path = directory / "packed";
  QuantizeOptions options;
  options.format = QuantizeFormat::q8;
  options.method = QuantizeMethod::rtn;
  quantize(source("data/shapes"), path, options);
  return path;
}

std::string error_of(const std::vector<NamedBuffer>& buffers) {
  try {
    Session::open(Checkpoint::from_memory(buffers), one_thread_options());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string error_without(const char* name, const char* set = "data/shapes") {
  Buffers buffers(source(set));
  buffers.drop(name);
  return error_of(buffers.all());
}

}  // namespace

TEST_CASE("from memory: the answers of the files, whatever the buffers' alignment") {
  for (const char* set : {"data/shapes", "tests/checkpoints/odd"})
    for (const std::size_t shift : {0, 1}) {
      INFO(set, " ", shift);
      check_like_files(source(set), shift);
    }
}

TEST_CASE("from memory: panels of a packed checkpoint are used where they lie") {
  const TemporaryDirectory directory;
  const std::string path = packed_checkpoint(directory);
  check_like_files(path, 0);
  const Buffers buffers(path);
  const Checkpoint checkpoint = Checkpoint::from_memory(buffers.all());
  const ModelConfig config = ModelConfig::load(checkpoint.source());
  const auto ops = make_cpu_ops({1, "", ActivationFormat::auto_});
  const ModelWeights weights = load_weights(checkpoint, config, *ops, WeightFormat::auto_);
  const auto& head = static_cast<const PackedWeight&>(weights.language.head());
  CHECK(buffers.holds(head.panels(0), head.panel_bytes()));
}

TEST_CASE("from memory: panels at an address that kernels cannot read") {
  const TemporaryDirectory directory;
  const Buffers buffers(packed_checkpoint(directory), 8);
  const std::string error = error_of(buffers.all());
  CHECK_MESSAGE(error.starts_with("buffer model.safetensors: tensor "), error);
  CHECK_MESSAGE(error.ends_with(": expected data aligned to 64 bytes, found it 8 past such an address"),
                error);
}

TEST_CASE("from memory: a buffer that is missing is named") {
  for (const char* name : {"config.json", "preprocessor_config.json", "tokenizer_config.json"})
    CHECK(error_without(name) ==
          std::string("buffer ") + name + ": expected a buffer of this name, found none");
  CHECK(error_without("tokenizer.json") ==
        "buffers: expected tokenizer.json, or vocab.json and merges.txt, found neither");
  CHECK(error_without("model.safetensors") ==
        "buffers: expected model.safetensors or model.safetensors.index.json, found neither");
  CHECK(error_without("model-00002-of-00002.safetensors", "tests/checkpoints/odd") ==
        "buffer model-00002-of-00002.safetensors: expected a buffer of this name, found none");
  CHECK(error_of({}) == "buffers: expected model.safetensors or model.safetensors.index.json, found neither");
}

TEST_CASE("from memory: a buffer that is broken is named") {
  for (const char* name : {"config.json", "preprocessor_config.json", "tokenizer.json",
                           "tokenizer_config.json", "model.safetensors"}) {
    Buffers buffers(source("data/shapes"));
    for (const std::size_t size : {buffers.at(name).size() / 2, std::size_t{5}, std::size_t{0}}) {
      buffers.put(name, buffers.at(name).first(size));
      const std::string error = error_of(buffers.all());
      CHECK_MESSAGE(error.starts_with(std::string("buffer ") + name + ": "), error);
    }
    buffers.put(name, {});
    const std::string error = error_of(buffers.all());
    CHECK_MESSAGE(error.starts_with(std::string("buffer ") + name + ": "), error);
  }
}

TEST_CASE("from memory: buffers without a name, or two of one name") {
  std::vector<NamedBuffer> buffers = Buffers(source("data/shapes")).all();
  buffers.push_back({"config.json", {}});
  CHECK(error_of(buffers) == "buffer config.json: expected one of this name, found two");
  CHECK(error_of({{"", {}}}) == "buffers: expected a name for each, found an empty one");
}

}  // namespace la::test
