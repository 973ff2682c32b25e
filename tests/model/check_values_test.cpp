#include "../../la/model/check_values.hpp"

#include <algorithm>
#include <cmath>

#include "../../la/core/error.hpp"
#include "../../la/quantize/quantize.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

std::vector<NonFiniteValues> values_of(const std::string& directory) {
  return find_non_finite(Checkpoint::open(directory), ModelConfig::load(directory));
}

/// Puts bytes into the data of a tensor, `at` bytes from its start.
void overwrite(const std::string& directory, const std::string& name, std::size_t at,
               const std::string& bytes) {
  std::string path;
  std::streamoff offset = 0;
  {
    const Checkpoint checkpoint = Checkpoint::open(directory);
    const StoredTensor* tensor = checkpoint.find(name);
    REQUIRE_MESSAGE(tensor, name);
    REQUIRE(at + bytes.size() <= tensor->bytes.size());
    path = tensor->file->path();
    offset = tensor->bytes.data() - tensor->file->bytes().data();
  }
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset + std::streamoff(at));
  file << bytes;
  REQUIRE(file.good());
}

std::string bf16_bytes(std::uint16_t bits) {
  return {char(bits & 0xff), char(bits >> 8)};
}

/// A copy of the bundled checkpoint.
struct Copy {
  Copy() { std::filesystem::copy(source("data/shapes"), directory.str()); }
  TemporaryDirectory directory;
};

}  // namespace

TEST_CASE("check values: the small checkpoints are finite") {
  CHECK(values_of(source("data/shapes")).empty());
  CHECK(values_of(source("tests/checkpoints/odd")).empty());
}

TEST_CASE("check values: infinities and NaN are counted by tensor, the first one is told") {
  const Copy copy;
  const std::string head = "language_model.model.embed_tokens.weight",
                    norm = "language_model.model.norm.weight";
  constexpr std::uint16_t kNan = 0x7fc1, kMinusInfinity = 0xff80, kLargest = 0x7f7f;
  overwrite(copy.directory.str(), head, 2 * (3 * 192 + 5), bf16_bytes(kNan) + bf16_bytes(kMinusInfinity));
  overwrite(copy.directory.str(), head, 2 * 1568 * 192, bf16_bytes(kNan));
  overwrite(copy.directory.str(), norm, 0, bf16_bytes(kLargest));
  overwrite(copy.directory.str(), norm, 2 * 191, bf16_bytes(kMinusInfinity));
  const auto found = values_of(copy.directory.str());
  REQUIRE(found.size() == 2);
  CHECK(found[0].describe() == copy.directory / "model.safetensors: tensor \"" + head +
                                   "\": 3 values are not finite, the first at [3, 5], element 581");
  CHECK(found[1].describe() == copy.directory / "model.safetensors: tensor \"" + norm +
                                   "\": 1 value is not finite, the first at [191], element 191");
}

TEST_CASE("check values: every float type; integers may have any bits") {
  struct Stored {
    const char* dtype;
    std::string bytes;
    i64 size, count, first;
  };
  const auto bytes_of = [](auto... x) {
    return (std::string(reinterpret_cast<const char*>(&x), sizeof x) + ...);
  };
  const std::string ones(8, '\xff');  // a NaN of every type
  const std::vector<Stored> tensors{{"F64", bytes_of(1e308, double(INFINITY)), 2, 1, 1},
                                    {"F32", bytes_of(3e38f, 1e-40f, -INFINITY, float(NAN)), 4, 2, 2},
                                    {"F16", bytes_of(std::uint16_t{0x7bff}, std::uint16_t{0xfc00}), 2, 1, 1},
                                    {"BF16", ones, 4, 4, 0},
                                    {"I32", ones, 2, 0, 0},
                                    {"U8", ones, 8, 0, 0}};
  const Copy copy;  // and a shard of these beside its tensors
  std::string header = "{", data, index = "{\"weight_map\":{";
  for (const Stored& t : tensors) {
    header += std::string(header.size() > 1 ? ",\"" : "\"") + t.dtype + R"(":{"dtype":")" + t.dtype +
              R"(","shape":[)" + std::to_string(t.size) + R"(],"data_offsets":[)" +
              std::to_string(data.size()) + "," + std::to_string(data.size() + t.bytes.size()) + "]}";
    data += t.bytes;
    index += std::string("\"") + t.dtype + "\":\"types.safetensors\",";
  }
  header += "}";
  const std::uint64_t length = header.size();
  std::ofstream(copy.directory / "types.safetensors", std::ios::binary) << bytes_of(length) << header << data;
  const auto rest = SafetensorsFile::open(copy.directory / "model.safetensors");
  for (const auto& [name, tensor] : rest.tensors()) index += "\"" + name + "\":\"rest.safetensors\",";
  index.back() = '}';
  std::filesystem::rename(copy.directory / "model.safetensors", copy.directory / "rest.safetensors");
  std::ofstream(copy.directory / "model.safetensors.index.json") << index << "}";

  const auto found = values_of(copy.directory.str());
  CHECK(found.size() == 4);
  for (const NonFiniteValues& values : found) {
    CAPTURE(values.tensor);
    const auto stored = std::find_if(tensors.begin(), tensors.end(),
                                     [&](const Stored& t) { return values.tensor == t.dtype; });
    REQUIRE(stored != tensors.end());
    CHECK(values.count == stored->count);
    CHECK(values.first == std::vector<i64>{stored->first});
  }
}

TEST_CASE("check values: a packed checkpoint is checked as the weights it stands for") {
  TemporaryDirectory directory;
  for (const QuantizeFormat format : {QuantizeFormat::q8, QuantizeFormat::q4}) {
    QuantizeOptions options;
    options.format = format;
    options.method = QuantizeMethod::rtn;
    const std::string out = directory / (format == QuantizeFormat::q8 ? "q8" : "q4");
    quantize(source("data/shapes"), out, options);
    CHECK(values_of(out).empty());
    const std::string name = "language_model.model.layers.1.mlp.down_proj";
    const bool eight = format == QuantizeFormat::q8;  // scale 2 of the first block: that of output 2
    if (eight)
      overwrite(out, name + ".panels", 2 * sizeof(float), std::string("\0\0\x80\x7f", 4));
    else
      overwrite(out, name + ".panels", 2 * sizeof(std::uint16_t), std::string("\0\x7c", 2));
    const auto found = values_of(out);
    REQUIRE(found.size() == 1);
    CHECK(found[0].tensor == name + ".panels");
    CHECK(found[0].first[0] == 2);
    CHECK(found[0].first[1] < 128);
    CHECK(found[0].count <= 128);
    CHECK(found[0].count > 0);
  }
}

}  // namespace la::test
