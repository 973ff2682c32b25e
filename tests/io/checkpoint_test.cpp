#include "../support.hpp"

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/io/checkpoint.hpp"

namespace {

/// A safetensors file whose tensors are one U8 element each.
void write_shard(const std::string& path, const std::vector<std::string>& names) {
  std::string header = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    header += (i ? ",\"" : "\"") + names[i] + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
              std::to_string(i) + "," + std::to_string(i + 1) + "]}";
  }
  header += "}";
  const std::uint64_t length = header.size();
  std::string prefix(8, '\0');
  std::memcpy(prefix.data(), &length, 8);
  std::ofstream(path, std::ios::binary) << prefix << header << std::string(names.size(), '\x07');
}

void write_index(const la::test::TemporaryDirectory& directory, const std::string& weight_map) {
  std::ofstream(directory / "model.safetensors.index.json") << R"({"weight_map": )" << weight_map << "}";
}

void check_error(const std::string& directory, const std::string& culprit, const std::string& expected) {
  std::string message = "no error";
  try {
    la::Checkpoint::open(directory);
  } catch (const la::Error& error) {
    message = error.what();
  }
  CHECK_MESSAGE(message.find(culprit) != std::string::npos, message);
  CHECK_MESSAGE(message.find(expected) != std::string::npos, message);
}

}  // namespace

TEST_CASE("checkpoint: a single file") {
  const auto checkpoint = la::Checkpoint::open(la::test::source("data/shapes"));
  CHECK(checkpoint.files().size() == 1);
  CHECK(checkpoint.tensor_count() == checkpoint.files()[0].tensors().size());
  CHECK(checkpoint.get("language_model.model.embed_tokens.weight", {1569, 192}).dtype == la::DType::bf16);
  CHECK(checkpoint.find("absent") == nullptr);
}

TEST_CASE("checkpoint: shards are found through the index") {
  auto opened = la::Checkpoint::open(la::test::source("tests/checkpoints/odd"));
  const la::Checkpoint checkpoint = std::move(opened);  // the look-up survives a move
  CHECK(checkpoint.directory() == la::test::source("tests/checkpoints/odd"));
  CHECK(checkpoint.files().size() == 2);
  std::size_t count = 0;
  for (const auto& file : checkpoint.files()) {
    for (const auto& [name, tensor] : file.tensors()) {
      CHECK(checkpoint.find(name) == &tensor);
      ++count;
    }
  }
  CHECK(checkpoint.tensor_count() == count);
  CHECK(checkpoint.tensor_bytes() == 1086048);  // the index's total_size
}

TEST_CASE("checkpoint: get() names a missing tensor and a wrong shape") {
  const auto checkpoint = la::Checkpoint::open(la::test::source("data/shapes"));
  CHECK_THROWS_WITH_AS(checkpoint.get("gone.weight", {2, 3}),
                       (checkpoint.directory() + ": tensor \"gone.weight\" [2, 3] is missing").c_str(),
                       la::Error);
  const std::string norm = "language_model.model.norm.weight";
  CHECK_THROWS_WITH_AS(checkpoint.get(norm, {191}),
                       (checkpoint.directory() + "/model.safetensors: tensor \"" + norm +
                        "\": expected shape [191], found BF16 [192]")
                           .c_str(),
                       la::Error);
  CHECK_THROWS_AS(checkpoint.get(norm, {192, 1}), la::Error);
  CHECK_THROWS_AS(checkpoint.get(norm, {}), la::Error);
}

TEST_CASE("checkpoint: a directory without weights") {
  la::test::TemporaryDirectory directory;
  check_error(directory / "gone", "gone", "expected a checkpoint directory");
  check_error(directory.str(), directory.str(), "found neither");
}

TEST_CASE("checkpoint: a malformed index") {
  la::test::TemporaryDirectory directory;
  const std::string culprit = "model.safetensors.index.json";
  std::ofstream(directory / culprit) << R"({"metadata": {}})";
  check_error(directory.str(), culprit, "weight_map is missing");
  write_index(directory, "[]");
  check_error(directory.str(), culprit, "weight_map: expected an object, found an array");
  write_index(directory, "{}");
  check_error(directory.str(), culprit, "at least one tensor");
  write_index(directory, R"({"a": 1})");
  check_error(directory.str(), culprit, R"(tensor "a": expected a shard's file name)");
  write_index(directory, R"({"a": "x.safetensors", "a": "x.safetensors"})");
  check_error(directory.str(), culprit, R"(tensor "a" is there twice)");
}

TEST_CASE("checkpoint: a shard outside the directory is refused") {
  la::test::TemporaryDirectory directory;
  write_shard(directory / "outside.safetensors", {"a"});
  std::filesystem::create_directories(directory / "inside/below");
  const std::string absolute = directory / "outside.safetensors";
  for (const std::string& shard :
       {std::string("../outside.safetensors"), absolute, std::string(".."), std::string(),
        std::string("below/../../outside.safetensors"), std::string("x\\u0000y")}) {
    CAPTURE(shard);
    std::ofstream(directory / "inside/model.safetensors.index.json")
        << R"({"weight_map": {"a": ")" << shard << R"("}})";
    check_error(directory / "inside", "model.safetensors.index.json",
                R"(tensor "a": expected a shard inside the checkpoint's directory)");
  }
}

TEST_CASE("checkpoint: a shard in a sub-directory is legal") {
  la::test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "parts");
  write_shard(directory / "parts/one.safetensors", {"a"});
  write_index(directory, R"({"a": "parts/one.safetensors"})");
  CHECK(la::Checkpoint::open(directory.str()).get("a", {1}).bytes[0] == std::byte{7});
}

TEST_CASE("checkpoint: shards that do not hold what the index says") {
  la::test::TemporaryDirectory directory;
  write_shard(directory / "1.safetensors", {"a", "b"});
  write_shard(directory / "2.safetensors", {"c"});
  write_index(directory, R"({"a": "1.safetensors", "b": "1.safetensors", "c": "3.safetensors"})");
  check_error(directory.str(), "3.safetensors", "No such file");
  write_index(directory, R"({"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"})");
  check_error(directory.str(), "index.json",
              R"(tensor "b" is listed in 2.safetensors but found in 1.safetensors)");
  write_index(directory, R"({"a": "1.safetensors", "c": "2.safetensors"})");
  check_error(directory.str(), "index.json", R"(tensor "b" is in 1.safetensors but not in the index)");
  write_index(directory,
              R"({"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors", "d": "2.safetensors"})");
  check_error(directory.str(), "2.safetensors", R"(tensor "d" is missing)");
}
