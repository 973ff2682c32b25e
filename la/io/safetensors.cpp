#include "safetensors.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <set>
#include <utility>

#include "../core/error.hpp"
#include "../core/git_lfs.hpp"
#include "../core/scalar.hpp"
#include "json_write.hpp"
#include "padded_text.hpp"

namespace la::inline LA_ABI {

static_assert(std::endian::native == std::endian::little, "safetensors data is read as it lies in the file");

namespace detail {

struct DTypeInfo {
  std::string_view name;
  std::size_t size;
};

/// In the order of DType.
inline constexpr DTypeInfo kDTypeInfo[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2},
                                           {"U32", 4},  {"I32", 4}, {"U64", 8}, {"I64", 8}, {"F16", 2},
                                           {"BF16", 2}, {"F32", 4}, {"F64", 8}};

inline constexpr std::size_t kHeaderLengthBytes = 8;
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr std::size_t kMaxHeaderDepth = 16;

/// A tensor as its header entry tells it; nothing in it is checked against the data yet.
struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<i64> shape;
  std::uint64_t begin = 0, end = 0;  // offsets into the data
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
};

inline std::string tensor_label(const std::string& path, std::string_view name) {
  return concat(path, ": tensor ", json_quote(name));
}

/// The JSON text between the length and the data.
inline std::string_view safetensors_header(const MappedFile& file) {
  const std::size_t size = file.bytes().size();
  require(size >= kHeaderLengthBytes, file.path(), ": expected a header length of 8 bytes, found a file of ",
          size);
  require(!is_git_lfs_pointer({reinterpret_cast<const char*>(file.bytes().data()), size}), file.path(),
          ": expected weights, found ", kGitLfsPointer);
  std::uint64_t length = 0;
  std::memcpy(&length, file.bytes().data(), kHeaderLengthBytes);
  require(length <= kMaxHeaderBytes, file.path(), ": expected a header of at most ", kMaxHeaderBytes,
          " bytes, found ", length);
  require(length <= size - kHeaderLengthBytes, file.path(), ": expected a header of ", length,
          " bytes, found only ", size - kHeaderLengthBytes,
          " bytes after its length: the file is cut short, as by an unfinished download");
  const auto* text = reinterpret_cast<const char*>(file.bytes().data()) + kHeaderLengthBytes;
  require(length > 0 && text[0] == '{', file.path(), ": expected a header that starts with '{'");
  return {text, std::size_t(length)};
}

inline DType parse_dtype(const std::string& label, simdjson::dom::element value) {
  std::string_view text;
  require(value.get(text) == simdjson::SUCCESS, label, ": expected a string as dtype");
  const auto found = std::find_if(std::begin(kDTypeInfo), std::end(kDTypeInfo),
                                  [&](const DTypeInfo& info) { return info.name == text; });
  require(found != std::end(kDTypeInfo), label, ": unknown dtype ", json_quote(text));
  return DType(found - std::begin(kDTypeInfo));
}

/// An array of integers in [0, 2^63).
inline std::vector<i64> parse_sizes(const std::string& label, const char* key, simdjson::dom::element value) {
  simdjson::dom::array array;
  require(value.get(array) == simdjson::SUCCESS, label, ": expected an array as ", key);
  std::vector<i64> sizes;
  for (const simdjson::dom::element item : array) {
    i64 size = 0;
    require(item.get(size) == simdjson::SUCCESS && size >= 0, label,
            ": expected non-negative 64-bit integers in ", key);
    sizes.push_back(size);
  }
  return sizes;
}

inline TensorEntry parse_tensor(const std::string& path, std::string_view name,
                                simdjson::dom::element value) {
  const std::string label = tensor_label(path, name);
  simdjson::dom::object object;
  require(value.get(object) == simdjson::SUCCESS, label, ": expected an object");
  TensorEntry entry;
  entry.name = name;
  int dtypes = 0, shapes = 0, offsets = 0;
  for (const auto& [key, field] : object) {  // the format lets other keys pass
    if (key == "dtype") {
      ++dtypes;
      entry.dtype = parse_dtype(label, field);
    } else if (key == "shape") {
      ++shapes;
      entry.shape = parse_sizes(label, "shape", field);
    } else if (key == "data_offsets") {
      ++offsets;
      const std::vector<i64> range = parse_sizes(label, "data_offsets", field);
      require(range.size() == 2, label, ": expected 2 data_offsets, found ", range.size());
      entry.begin = std::uint64_t(range[0]);
      entry.end = std::uint64_t(range[1]);
    }
  }
  require(dtypes == 1, label, ": expected one dtype, found ", dtypes);
  require(shapes == 1, label, ": expected one shape, found ", shapes);
  require(offsets == 1, label, ": expected one data_offsets, found ", offsets);
  return entry;
}

inline std::map<std::string, std::string> parse_metadata(const std::string& path,
                                                         simdjson::dom::element value) {
  simdjson::dom::object object;
  require(value.get(object) == simdjson::SUCCESS, path, ": expected an object as __metadata__");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, field] : object) {
    std::string_view text;
    require(field.get(text) == simdjson::SUCCESS, path, ": expected a string as __metadata__ ",
            json_quote(key));
    require(metadata.emplace(key, text).second, path, ": __metadata__ ", json_quote(key), " is there twice");
  }
  return metadata;
}

inline SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view text) {
  simdjson::dom::parser parser;
  const simdjson::padded_string padded = detail::padded_text(text);
  simdjson::dom::object object;
  simdjson::error_code error = parser.allocate(padded.size(), kMaxHeaderDepth);
  if (!error) error = parser.parse(padded).get(object);
  require(!error, path, ": expected a JSON object as header: ", simdjson::error_message(error));

  SafetensorsHeader header;
  std::set<std::string_view> names;
  for (const auto& [name, value] : object) {
    require(names.insert(name).second, path, ": ", json_quote(name), " is in the header twice");
    if (name == "__metadata__") {
      header.metadata = parse_metadata(path, value);
    } else {
      header.tensors.push_back(parse_tensor(path, name, value));
    }
  }
  return header;
}

/// Bytes of the tensor by dtype and shape.
inline std::uint64_t expected_bytes(const std::string& label, const TensorEntry& entry) {
  std::uint64_t bytes = size_of(entry.dtype);
  for (const i64 size : entry.shape) {
    require(!__builtin_mul_overflow(bytes, std::uint64_t(size), &bytes) && bytes <= INT64_MAX, label,
            ": the product of its shape overflows");
  }
  return bytes;
}

/// Sorted by offset, the tensors must follow each other from 0 to the end of the data.
inline void check_tiling(const std::string& path, std::vector<TensorEntry>& entries,
                         std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const TensorEntry& entry : entries) {
    const std::string label = tensor_label(path, entry.name);
    require(entry.begin == at, label, ": expected data_offsets that begin at ", at, ", found ", entry.begin);
    require(entry.end >= entry.begin, label, ": expected data_offsets that end at ", entry.begin,
            " or later, found ", entry.end);
    const std::uint64_t bytes = expected_bytes(label, entry);
    require(entry.end - entry.begin == bytes, label, ": expected ", bytes,
            " bytes by dtype and shape, found ", entry.end - entry.begin);
    at = entry.end;
  }
  require(at <= data_bytes, path, ": expected ", at, " bytes of tensor data, found ", data_bytes,
          ": the file is cut short, as by an unfinished download");
  require(at == data_bytes, path, ": expected ", at, " bytes of tensor data, found ", data_bytes);
}

/// The bytes may be unaligned.
template <class T>
void widen_elements(const std::byte* from, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, from + i * sizeof(T), sizeof(T));
    out[i] = to_float(element);
  }
}

}  // namespace detail

LA_INLINE std::size_t size_of(DType type) noexcept {
  return detail::kDTypeInfo[std::size_t(type)].size;
}

LA_INLINE std::string_view name_of(DType type) noexcept {
  return detail::kDTypeInfo[std::size_t(type)].name;
}

LA_INLINE i64 StoredTensor::size() const noexcept {
  return i64(bytes.size() / size_of(dtype));
}

LA_INLINE std::string StoredTensor::describe() const {
  std::string text(name_of(dtype));
  for (std::size_t r = 0; r < shape.size(); ++r) text += (r == 0 ? " [" : ", ") + std::to_string(shape[r]);
  return text + (shape.empty() ? " []" : "]");
}

LA_INLINE void read_f32(const StoredTensor& tensor, i64 begin, std::span<float> out) {
  if (begin < 0 || begin > tensor.size() || i64(out.size()) > tensor.size() - begin) {
    fail(detail::tensor_label(tensor.file->path(), tensor.name), ": expected a range inside ", tensor.size(),
         " elements, found ", out.size(), " from ", begin);
  }
  const std::byte* from = tensor.bytes.data() + std::size_t(begin) * size_of(tensor.dtype);
  switch (tensor.dtype) {
    case DType::f32:
      return detail::widen_elements<float>(from, out);
    case DType::bf16:
      return detail::widen_elements<bf16>(from, out);
    case DType::f16:
      return detail::widen_elements<f16>(from, out);
    default:
      fail(detail::tensor_label(tensor.file->path(), tensor.name), ": expected F32, BF16 or F16, found ",
           name_of(tensor.dtype));
  }
}

LA_INLINE SafetensorsFile SafetensorsFile::open(const FileRef& ref) {
  const std::string& path = ref.path;
  SafetensorsFile result;
  result.file_ = std::make_shared<const MappedFile>(MappedFile::open(ref));
  const std::string_view text = detail::safetensors_header(*result.file_);
  detail::SafetensorsHeader header = detail::parse_safetensors_header(path, text);
  result.file_->require_whole();
  result.metadata_ = std::move(header.metadata);

  const auto data = result.file_->bytes().subspan(detail::kHeaderLengthBytes + text.size());
  detail::check_tiling(path, header.tensors, data.size());
  for (detail::TensorEntry& entry : header.tensors) {
    result.tensors_[entry.name] = {.name = entry.name,
                                   .dtype = entry.dtype,
                                   .shape = std::move(entry.shape),
                                   .bytes = data.subspan(entry.begin, entry.end - entry.begin),
                                   .file = result.file_.get()};
  }
  return result;
}

LA_INLINE const StoredTensor* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace la::inline LA_ABI
