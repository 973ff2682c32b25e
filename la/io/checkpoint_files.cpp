#include "checkpoint_files.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "../core/error.hpp"
#include "checkpoint_directory.hpp"

namespace la::inline LA_ABI {

LA_INLINE CheckpointFiles CheckpointFiles::from_memory(std::vector<NamedBuffer> buffers) {
  CheckpointFiles files("buffers");
  files.in_memory_ = true;
  for (NamedBuffer& buffer : buffers) {
    if (buffer.name.empty()) fail_usage("buffers: expected a name for each, found an empty one");
    if (!buffer.bytes.data() && !buffer.bytes.empty())
      fail_usage("buffer ", buffer.name, ": expected ", buffer.bytes.size(), " bytes, found a null pointer");
    if (files.find(buffer.name)) fail_usage("buffer ", buffer.name, ": expected one of this name, found two");
    files.buffers_.push_back(std::move(buffer));
  }
  return files;
}

LA_INLINE const NamedBuffer* CheckpointFiles::find(std::string_view name) const noexcept {
  const auto found = std::find_if(buffers_.begin(), buffers_.end(),
                                  [&](const NamedBuffer& buffer) { return buffer.name == name; });
  return found == buffers_.end() ? nullptr : &*found;
}

LA_INLINE bool CheckpointFiles::contains(std::string_view name) const {
  if (in_memory_) return find(name) != nullptr;
  std::error_code ignored;
  return std::filesystem::exists(path_of(name), ignored);
}

LA_INLINE FileRef CheckpointFiles::file(std::string_view name) const {
  const std::string path = path_of(name);
  if (!in_memory_) return path;
  const NamedBuffer* buffer = find(name);
  require(buffer, path, ": expected a buffer of this name, found none");
  return {path, buffer->bytes};
}

LA_INLINE std::string CheckpointFiles::path_of(std::string_view name) const {
  if (in_memory_) return detail::concat("buffer ", name);
  return (std::filesystem::path(directory_) / name).string();
}

LA_INLINE void CheckpointFiles::require_directory() const {
  std::error_code ignored;
  require(in_memory_ || std::filesystem::is_directory(directory_, ignored), directory_,
          ": expected a checkpoint directory");
}

LA_INLINE std::string CheckpointFiles::describe_foreign() const {
  return in_memory_ ? std::string() : describe_foreign_checkpoint(directory_);
}

}  // namespace la::inline LA_ABI
