#include "checkpoint_directory.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "../core/error.hpp"
#include "hub_ref.hpp"

namespace la::inline LA_ABI {
LA_INLINE std::string checkpoint_directory(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    const bool gguf = path.ends_with(".gguf") && std::filesystem::exists(path, ignored);
    fail(path, ": expected a checkpoint directory, found ",
         gguf ? "a GGUF file, which la does not read: expected the model's own folder with config.json and "
                "safetensors"
              : (std::filesystem::exists(path, ignored) ? "a file" : "none"));
  }
  std::filesystem::path directory = std::filesystem::absolute(path).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();  // it ended in a slash
  if (!directory.filename().string().starts_with("models--")) return path;
  const std::string named = detail::read_hub_ref(directory / "refs" / "main");
  const std::vector<std::string> snapshots = detail::names_in(directory / "snapshots");
  if (!named.empty()) return (directory / "snapshots" / named).string();
  if (snapshots.size() == 1) return (directory / "snapshots" / snapshots[0]).string();
  fail(path, ": expected refs/main or one folder in snapshots, as the Hugging Face cache has them, found ",
       snapshots.size(), " snapshots");
}

LA_INLINE std::string describe_foreign_checkpoint(const std::string& directory) {
  struct Sign {
    const char *ending, *what;
  };
  constexpr std::array<Sign, 5> kSigns{
      {{".gguf", "a GGUF file, which la does not read: expected the model's own folder with safetensors"},
       {"adapter_config.json", "a LoRA adapter, which is no model: merge it into its base model first"},
       {"adapter_model.safetensors", "a LoRA adapter, which is no model: merge it into its base model first"},
       {"pytorch_model.bin", "weights of PyTorch (.bin), which la does not read: expected safetensors"},
       {".onnx", "an ONNX model, which la does not read: expected the model's own folder with safetensors"}}};
  const std::vector<std::string> names = detail::names_in(directory);
  for (const Sign& sign : kSigns)
    for (const std::string& name : names)
      if (name.ends_with(sign.ending)) return ": found " + name + ", " + sign.what;
  return "";
}

}  // namespace la::inline LA_ABI
