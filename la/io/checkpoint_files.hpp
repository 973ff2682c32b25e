#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../core/input_file.hpp"

namespace la::inline LA_ABI {

/// A file of a checkpoint in memory that the caller keeps: flash, an archive, a download.
struct NamedBuffer {
  std::string name;  ///< as in the checkpoint's directory: "config.json"
  std::span<const std::byte> bytes;
};

/// Where the files of a checkpoint are: in a directory, or in buffers. Either is opened by name.
class CheckpointFiles {
 public:
  CheckpointFiles(std::string directory) : directory_(std::move(directory)) {}
  /// The buffers stay the caller's. Nothing is copied or read yet.
  /// error: (usage) a name that is empty or there twice, a null pointer with a size
  static CheckpointFiles from_memory(std::vector<NamedBuffer> buffers);

  /// "buffers" when they are in memory; for messages.
  const std::string& directory() const noexcept { return directory_; }
  bool contains(std::string_view name) const;
  /// What to open, and what messages call it: "DIR/config.json", "buffer config.json".
  /// error: there is no buffer of this name; whether a directory has such a file is known when it is opened
  FileRef file(std::string_view name) const;
  /// Where a file of this name would be, for messages.
  std::string path_of(std::string_view name) const;
  /// error: a directory that is none
  void require_directory() const;
  /// See describe_foreign_checkpoint; nothing of buffers.
  std::string describe_foreign() const;

 private:
  const NamedBuffer* find(std::string_view name) const noexcept;

  std::string directory_;
  bool in_memory_ = false;
  std::vector<NamedBuffer> buffers_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "checkpoint_files.cpp"
#endif
