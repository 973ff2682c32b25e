#include "checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "../core/error.hpp"
#include "json.hpp"
#include "json_write.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Tensor name -> shard file name.
using WeightMap = std::map<std::string, std::string, std::less<>>;

/// A shard lies in the checkpoint's directory or below it, wherever an index would like to point.
inline bool is_inside_directory(std::string_view name) {
  const std::filesystem::path path(name);
  if (name.empty() || name.find('\0') != std::string_view::npos || path.is_absolute()) return false;
  for (const std::filesystem::path& step : path) {
    if (step == "..") return false;
  }
  return true;
}

inline WeightMap read_index(const FileRef& index) {
  const std::string& path = index.path;
  const JsonFile file = JsonFile::open(index);
  const JsonValue weights = file.root().at("weight_map");
  WeightMap shards;
  for (const auto& [name, value] : weights.object()) {
    const std::string label = concat(path, ": tensor ", json_quote(name));
    std::string_view shard;
    require(value.get(shard) == simdjson::SUCCESS, label, ": expected a shard's file name");
    require(is_inside_directory(shard), label, ": expected a shard inside the checkpoint's directory, found ",
            json_quote(shard));
    require(shards.emplace(name, shard).second, label, " is there twice");
  }
  require(!shards.empty(), path, ": expected at least one tensor in weight_map");
  return shards;
}

/// Every tensor of the shard must be listed in the index, and listed there.
inline void check_shard(const std::string& index_path, const WeightMap& shards, const std::string& shard,
                        const SafetensorsFile& file) {
  for (const auto& [name, tensor] : file.tensors()) {
    const auto listed = shards.find(name);
    const std::string label = concat(index_path, ": tensor ", json_quote(name));
    require(listed != shards.end(), label, " is in ", shard, " but not in the index");
    require(listed->second == shard, label, " is listed in ", listed->second, " but found in ", shard);
  }
}

inline std::vector<SafetensorsFile> open_shards(const CheckpointFiles& source, const FileRef& index) {
  const WeightMap shards = read_index(index);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : shards) names.insert(shard);
  std::vector<SafetensorsFile> files;
  std::size_t found = 0;
  for (const std::string& shard : names) {
    files.push_back(SafetensorsFile::open(source.file(shard)));
    check_shard(index.path, shards, shard, files.back());
    found += files.back().tensors().size();
  }
  if (found == shards.size()) return files;
  for (const auto& [name, shard] : shards) {
    const bool present = std::any_of(
        files.begin(), files.end(), [&, &key = name](const SafetensorsFile& file) { return file.find(key); });
    require(present, source.path_of(shard), ": tensor ", json_quote(name),
            " is missing, the index lists it here");
  }
  return files;
}

}  // namespace detail

LA_INLINE Checkpoint Checkpoint::open(const CheckpointFiles& source) {
  const std::string_view single = "model.safetensors", index = "model.safetensors.index.json";
  source.require_directory();
  Checkpoint checkpoint;
  checkpoint.source_ = source;
  if (source.contains(single)) {
    checkpoint.files_.push_back(SafetensorsFile::open(source.file(single)));
  } else if (source.contains(index)) {
    checkpoint.files_ = detail::open_shards(source, source.file(index));
  } else {
    fail(source.directory(), ": expected ", single, " or ", index, ", found neither",
         source.describe_foreign());
  }
  for (const SafetensorsFile& file : checkpoint.files_) {
    for (const auto& [name, tensor] : file.tensors()) checkpoint.tensors_.emplace(name, &tensor);
  }
  return checkpoint;
}

LA_INLINE Checkpoint Checkpoint::from_memory(std::vector<NamedBuffer> buffers) {
  return open(CheckpointFiles::from_memory(std::move(buffers)));
}

LA_INLINE const StoredTensor* Checkpoint::find(std::string_view name) const noexcept {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

LA_INLINE const StoredTensor& Checkpoint::get(std::string_view name, std::span<const i64> shape) const {
  const StoredTensor* tensor = find(name);
  require(tensor, directory(), ": tensor ", json_quote(name), " ", detail::describe_shape(shape),
          " is missing");
  require(std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end()),
          tensor->file->path(), ": tensor ", json_quote(name), ": expected shape ",
          detail::describe_shape(shape), ", found ", tensor->describe());
  return *tensor;
}

LA_INLINE const SafetensorsFile& Checkpoint::file_of(const StoredTensor& tensor) const noexcept {
  return *std::find_if(files_.begin(), files_.end(),
                       [&](const SafetensorsFile& file) { return &file.file() == tensor.file; });
}

LA_INLINE std::size_t Checkpoint::tensor_count() const noexcept {
  return tensors_.size();
}

LA_INLINE std::size_t Checkpoint::tensor_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += tensor->bytes.size();
  return bytes;
}

}  // namespace la::inline LA_ABI
