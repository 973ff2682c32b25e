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

/// As a shell and Hugging Face's own library read it: files that set variables without one, such as those of systemd,
/// leave `~` as it is.
inline std::string with_home(const std::string& path) {
  const std::string home = hub_variable("HOME");
  const bool stands_for_home = path == "~" || path.starts_with("~/");
  return stands_for_home && !home.empty() ? home + path.substr(1) : path;
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
    if (!value.empty()) caches.push_back(std::filesystem::path(with_home(value)) / below);
  }
  return caches;
}

/// A model id in its parts.
struct HubModel {
  std::string organisation, name, revision;  ///< revision: empty where none was given

  std::string folder() const { return "models--" + organisation + "--" + name; }
};

/// Branches and tags may hold slashes: refs/pr/1.
inline bool is_hub_revision(std::string_view text) noexcept {
  for (std::size_t slash; (slash = text.find('/')) != text.npos; text.remove_prefix(slash + 1))
    if (!is_hub_name(text.substr(0, slash))) return false;
  return is_hub_name(text);
}

inline std::optional<HubModel> parse_model_id(std::string_view id) {
  const std::size_t slash = id.find('/');
  if (slash == id.npos) return std::nullopt;
  const std::size_t at = id.find('@', slash);
  const std::string_view name = id.substr(slash + 1, at == id.npos ? at : at - slash - 1);
  const std::string_view revision = at == id.npos ? "" : id.substr(at + 1);
  if (!is_hub_name(id.substr(0, slash)) || !is_hub_name(name)) return std::nullopt;
  if (at != id.npos && !is_hub_revision(revision)) return std::nullopt;
  return HubModel{std::string(id.substr(0, slash)), std::string(name), std::string(revision)};
}

/// The snapshot of one cache's folder of the model; empty when there is none, and then `missing` is what it lacks.
inline std::string snapshot_in(const std::filesystem::path& repository, const HubModel& model,
                               std::string& missing) {
  const std::filesystem::path snapshots = repository / "snapshots";
  const std::filesystem::path ref = repository / "refs" / (model.revision.empty() ? "main" : model.revision);
  std::string name = read_hub_ref(ref);
  missing = ref.string();
  if (name.empty() && is_hub_name(model.revision) && is_there(snapshots / model.revision))
    name = model.revision;
  if (name.empty() && model.revision.empty()) {
    const std::vector<std::string> names = names_in(snapshots);
    if (names.size() > 1)
      fail(snapshots.string(), ": expected a revision, as there is no refs/main, found ", names.size(),
           " snapshots: ", names[0], ", ", names[1], names.size() > 2 ? ", ..." : "");
    if (names.size() == 1) name = names[0];
  }
  if (name.empty()) return "";
  const std::filesystem::path config = snapshots / name / "config.json";
  if (is_there(config)) return (snapshots / name).string();
  missing = config.string();
  return "";
}

}  // namespace detail

LA_INLINE bool is_model_id(std::string_view text) noexcept {
  return detail::parse_model_id(text).has_value();
}

LA_INLINE HubSnapshot find_hub_snapshot(const std::string& model_id) {
  const std::optional<detail::HubModel> model = detail::parse_model_id(model_id);
  if (!model) fail_usage("model id: expected ORG/NAME or ORG/NAME@REVISION, found ", json_quote(model_id));
  std::string looked;
  bool begun = false;
  for (const std::filesystem::path& cache : detail::hub_caches()) {
    const std::filesystem::path repository = cache / model->folder();
    std::string missing;
    const std::string snapshot = detail::snapshot_in(repository, *model, missing);
    if (!snapshot.empty()) return {snapshot, model_id + ": found " + snapshot, true};
    begun = begun || detail::is_there(repository / "refs") || detail::is_there(repository / "snapshots");
    looked += (looked.empty() ? "" : ", ") + missing;
  }
  return {std::nullopt,
          model_id +
              (begun ? ": not whole in the Hugging Face cache; missing: "
                     : ": not in the Hugging Face cache; missing: ") +
              (looked.empty() ? "a cache directory, as HOME is not set" : looked),
          begun};
}

LA_INLINE std::string model_directory(const std::string& directory_or_id) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(directory_or_id, error);
  if (std::filesystem::exists(status)) return checkpoint_directory(directory_or_id);
  if (!is_model_id(directory_or_id))
    fail(directory_or_id, ": expected a directory or a model id, ORG/NAME or ORG/NAME@REVISION: ",
         status.type() == std::filesystem::file_type::not_found ? "No such directory" : error.message());
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
    if (found.begun) fail(found.explanation);  // whoever fetched it does not mean the bundled one
    explanation = std::move(found.explanation);
  }
  require(!request.bundled.empty(), explanation);
  return request.bundled;
}

}  // namespace la::inline LA_ABI
