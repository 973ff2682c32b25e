#include "safetensors_writer.hpp"

#include <algorithm>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/pending_file.hpp"
#include "../core/storage.hpp"
#include "json_write.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline std::string header_of(const std::map<std::string, std::string>& metadata,
                             const std::vector<TensorSource>& tensors) {
  std::string text = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata)
    text += (text.back() == '{' ? "" : ",") + json_quote(key) + ":" + json_quote(value);
  text += "}";
  std::size_t at = 0;
  for (const TensorSource& t : tensors) {
    text += "," + json_quote(t.name) + ":{\"dtype\":\"" + std::string(name_of(t.dtype)) + "\",\"shape\":[";
    for (i64 size : t.shape) text += (text.back() == '[' ? "" : ",") + std::to_string(size);
    text += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + t.bytes()) + "]}";
    at += t.bytes();
  }
  text += "}";
  const std::size_t length = sizeof(std::uint64_t);
  text.resize(round_up(length + text.size(), kAlignment) - length, ' ');
  return text;
}

}  // namespace detail

LA_INLINE std::size_t TensorSource::bytes() const noexcept {
  std::size_t n = size_of(dtype);
  for (i64 size : shape) n *= std::size_t(size);
  return n;
}

LA_INLINE void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                                 const std::vector<TensorSource>& tensors) {
  const std::string text = detail::header_of(metadata, tensors);
  PendingFile file(path);
  const std::uint64_t length = text.size();
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const TensorSource& t : tensors) {
    std::size_t written = 0;
    t.produce([&](std::span<const std::byte> piece) {
      file.write(piece.data(), piece.size());
      file.check();
      written += piece.size();
    });
    require(written == t.bytes(), path, ": tensor ", t.name, ": expected ", t.bytes(), " bytes, found ",
            written);
  }
  file.finish();
}

LA_INLINE TensorSource copy_of(const StoredTensor& tensor) {
  return {tensor.name, tensor.dtype, tensor.shape, [&tensor](const TensorSource::Sink& sink) {
            constexpr std::size_t piece = std::size_t{16} << 20;
            for (std::size_t at = 0; at < tensor.bytes.size(); at += piece) {
              const auto bytes = tensor.bytes.subspan(at, std::min(piece, tensor.bytes.size() - at));
              sink(bytes);
              tensor.file->release(bytes);
            }
          }};
}

}  // namespace la::inline LA_ABI
