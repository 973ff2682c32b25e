#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../core/inline.hpp"
#include "checkpoint_files.hpp"
#include "safetensors.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// "[2, 3]"
inline std::string describe_shape(std::span<const i64> shape) {
  std::string text;
  for (const i64 size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

}  // namespace detail

/// The tensors of a checkpoint: `model.safetensors`, or the shards of `model.safetensors.index.json`.
/// Opening maps the files and checks every header; no weight is read.
class Checkpoint {
 public:
  /// error: no such directory, no weights in it, a bad header, a missing shard, a shard outside the directory, a
  /// tensor that is not in the shard the index names, or in a shard but not in the index
  static Checkpoint open(const CheckpointFiles& source);
  /// The same from buffers, named as the files are: config.json, the tokenizer's files, preprocessor_config.json,
  /// model.safetensors or its index and shards. The caller keeps them for as long as this, or a Session or
  /// ModelWeights made of it, lives: weights that are used as they are stored stay where they are. Those of a packed
  /// checkpoint (examples/quantize) want their buffer to begin at an address that is a multiple of 64.
  /// error: as open, with the name of the buffer; see CheckpointFiles::from_memory
  static Checkpoint from_memory(std::vector<NamedBuffer> buffers);

  const std::string& directory() const noexcept { return source_.directory(); }
  /// Its files, those without tensors included.
  const CheckpointFiles& source() const noexcept { return source_; }
  /// null when there is no such tensor
  const StoredTensor* find(std::string_view name) const noexcept;
  /// The tensor of this name and shape.
  /// error: it is missing, or its shape is another
  const StoredTensor& get(std::string_view name, std::span<const i64> shape) const;
  const StoredTensor& get(std::string_view name, std::initializer_list<i64> shape) const {
    return get(name, std::span(shape.begin(), shape.size()));
  }

  /// The file that a tensor of this checkpoint lies in.
  const SafetensorsFile& file_of(const StoredTensor& tensor) const noexcept;

  std::size_t tensor_count() const noexcept;
  /// Bytes of all tensors.
  std::size_t tensor_bytes() const noexcept;
  const std::vector<SafetensorsFile>& files() const noexcept { return files_; }

 private:
  CheckpointFiles source_{std::string()};
  std::vector<SafetensorsFile> files_;
  std::unordered_map<std::string_view, const StoredTensor*> tensors_;  // into files_, whose maps never change
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "checkpoint.cpp"
#endif
