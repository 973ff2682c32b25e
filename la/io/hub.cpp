#include "hub.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "checkpoint_directory.hpp"
#include "hub_ref.hpp"
#include "json_write.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Empty when the variable is unset.
inline std::string hub_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// In the order they are looked at.
inline std::vector<std::filesystem::path> hub_caches() {
  constexpr std::array<std::pair<const char*, const char*>, 5> kPlaces{{{"HF_HUB_CACHE", ""},
                                                                        {"HUGGINGFACE_HUB_CACHE", ""},
                                                                        {"HF_HOME", "hub"},
                                                                        {"XDG_CACHE_HOME", "huggingface/hub"},
                                                                        {"HOME", ".cache/huggingface/hub"}}};
  std::vector<std::filesystem::path> caches;
  for (const auto& [variable, below] : kPlaces) {
    const std::string value = hub_variable(variable);
    if (!value.empty()) caches.push_back(std::filesystem::path(value) / below);
  }
  return caches;
}

/// "models--ORG--NAME"
inline std::string hub_folder(const std::string& model_id) {
  const std::size_t slash = model_id.find('/');
  const bool valid = slash != std::string::npos && is_hub_name(std::string_view(model_id).substr(0, slash)) &&
                     is_hub_name(std::string_view(model_id).substr(slash + 1));
  if (!valid) fail_usage("model id: expected ORG/NAME, found ", json_quote(model_id));
  return "models--" + model_id.substr(0, slash) + "--" + model_id.substr(slash + 1);
}

}  // namespace detail

LA_INLINE HubSnapshot find_hub_snapshot(const std::string& model_id) {
  const std::string folder = detail::hub_folder(model_id);
  std::string looked;
  for (const std::filesystem::path& cache : detail::hub_caches()) {
    const std::filesystem::path repository = cache / folder, ref = repository / "refs" / "main";
    const std::string name = detail::read_hub_ref(ref);
    const std::filesystem::path snapshot = repository / "snapshots" / name;
    std::error_code ignored;
    const std::filesystem::path wanted = name.empty() ? ref : snapshot / "config.json";
    if (!name.empty() && std::filesystem::exists(wanted, ignored)) {
      return {snapshot.string(), model_id + ": found " + snapshot.string()};
    }
    looked += (looked.empty() ? "" : ", ") + wanted.string();
  }
  return {std::nullopt, model_id + ": not in the Hugging Face cache; missing: " +
                            (looked.empty() ? "a cache directory, as HOME is not set" : looked)};
}

LA_INLINE std::string model_directory(const std::string& directory_or_id) {
  if (std::filesystem::exists(directory_or_id)) return checkpoint_directory(directory_or_id);
  const HubSnapshot snapshot = find_hub_snapshot(directory_or_id);
  if (!snapshot.directory)
    fail(directory_or_id, ": expected a directory or a cached model id; ", snapshot.explanation);
  return *snapshot.directory;
}

LA_INLINE std::string find_checkpoint_directory(const CheckpointRequest& request) {
  if (!request.model_dir.empty()) return checkpoint_directory(request.model_dir);
  const std::string chosen = detail::hub_variable("LA_MODEL_DIR");
  if (!chosen.empty()) return checkpoint_directory(chosen);
  std::string explanation = "no checkpoint: expected a model directory or a model id";
  if (!request.model_id.empty()) {
    HubSnapshot found = find_hub_snapshot(request.model_id);
    if (found.directory) return *std::move(found.directory);
    explanation = std::move(found.explanation);
  }
  require(!request.bundled.empty(), explanation);
  return request.bundled;
}

}  // namespace la::inline LA_ABI
