#include <la/io/checkpoint_directory.hpp>

#include <la/core/error.hpp>

#include "../support.hpp"

namespace la::test {
namespace {

namespace fs = std::filesystem;

std::string error_of(const std::string& path) {
  try {
    checkpoint_directory(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void write(const std::string& path, const std::string& text = "x") {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("checkpoint directory: any directory is itself") {
  TemporaryDirectory here;
  CHECK(checkpoint_directory(here.str()) == here.str());
  CHECK(checkpoint_directory(here.str() + "/") == here.str() + "/");
}

TEST_CASE("checkpoint directory: a model's folder in the Hugging Face cache leads to its snapshot") {
  TemporaryDirectory here;
  const std::string folder = here / "models--org--name";
  write(folder + "/snapshots/abc/config.json");
  CHECK(checkpoint_directory(folder) == folder + "/snapshots/abc");
  CHECK(checkpoint_directory(folder + "/") == folder + "/snapshots/abc");
  fs::create_directories(folder + "/snapshots/def");
  CHECK(error_of(folder) == folder +
                                ": expected refs/main or one folder in snapshots, as the Hugging Face cache "
                                "has them, found 2 snapshots");
  write(folder + "/refs/main", "def\n");
  CHECK(checkpoint_directory(folder) == folder + "/snapshots/def");
}

TEST_CASE("checkpoint directory: what is no directory is named") {
  TemporaryDirectory here;
  CHECK(error_of(here / "none") == here / "none: expected a checkpoint directory, found none");
  write(here / "file");
  CHECK(error_of(here / "file") == here / "file: expected a checkpoint directory, found a file");
  write(here / "model.gguf");
  CHECK(error_of(here / "model.gguf")
            .starts_with(here / "model.gguf: expected a checkpoint directory, found a GGUF file"));
}

TEST_CASE("checkpoint directory: what a folder holds in place of a checkpoint is named") {
  TemporaryDirectory here;
  CHECK(describe_foreign_checkpoint(here.str()).empty());
  CHECK(describe_foreign_checkpoint(here / "none").empty());
  for (const auto& [file, part] : {std::pair{"pytorch_model.bin", "weights of PyTorch"},
                                   {"adapter_model.safetensors", "a LoRA adapter"},
                                   {"adapter_config.json", "a LoRA adapter"},
                                   {"model-q4.gguf", "a GGUF file"}}) {
    write(here / file);
    CHECK(describe_foreign_checkpoint(here.str()).starts_with(": found " + std::string(file) + ", " + part));
  }
}

}  // namespace la::test
