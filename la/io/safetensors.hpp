#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../core/mapped_file.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

/// Element types of the safetensors format (`i64_`, as `i64` is a type).
enum class DType { boolean, u8, i8, u16, i16, u32, i32, u64, i64_, f16, bf16, f32, f64 };

/// Bytes of one element.
std::size_t size_of(DType type) noexcept;
/// The name in a safetensors header: "BF16".
std::string_view name_of(DType type) noexcept;

/// One stored tensor: a view into a mapped file, valid as long as its SafetensorsFile.
struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<i64> shape;
  std::span<const std::byte> bytes;  ///< row-major, little-endian; may be unaligned
  const MappedFile* file = nullptr;

  i64 size() const noexcept;
  /// "BF16 [192, 128]", for messages.
  std::string describe() const;
};

/// Copies elements [begin, begin + out.size()) of an F32, BF16 or F16 tensor, widened to f32.
/// error: another dtype, or a range that is not inside the tensor
void read_f32(const StoredTensor& tensor, i64 begin, std::span<float> out);

/// A mapped .safetensors file, or one in memory, whose header has been checked as the reference deserialiser checks it: lengths,
/// types, offsets that tile the buffer without gap or overlap, sizes that match dtype x shape. No name may be there
/// twice.
/// source: https://github.com/huggingface/safetensors, the format's README
class SafetensorsFile {
 public:
  /// error: names the file, the tensor and what was expected
  static SafetensorsFile open(const FileRef& ref);

  const std::map<std::string, StoredTensor, std::less<>>& tensors() const noexcept { return tensors_; }
  /// null when there is no such tensor
  const StoredTensor* find(std::string_view name) const noexcept;
  /// The header's "__metadata__".
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  const MappedFile& file() const noexcept { return *file_; }
  /// The mapping itself, for those who use its bytes for longer than this lives.
  std::shared_ptr<const MappedFile> mapping() const noexcept { return file_; }

 private:
  std::shared_ptr<const MappedFile> file_;  // tensors_ point at it
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "safetensors.cpp"
#endif
