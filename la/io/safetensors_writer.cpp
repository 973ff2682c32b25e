#include "safetensors_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "../core/error.hpp"
#include "../core/storage.hpp"
#include "json_write.hpp"

namespace la {
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
  const std::string text = detail::header_of(metadata, tensors), unfinished = path + ".part";
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  require(out.good(), unfinished, ": cannot be written");
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out.write(text.data(), std::streamsize(text.size()));
  for (const TensorSource& t : tensors) {
    std::size_t written = 0;
    t.produce([&](std::span<const std::byte> piece) {
      out.write(reinterpret_cast<const char*>(piece.data()), std::streamsize(piece.size()));
      require(out.good(), unfinished, ": cannot be written; is the disk full?");
      written += piece.size();
    });
    require(written == t.bytes(), path, ": tensor ", t.name, ": expected ", t.bytes(), " bytes, found ",
            written);
  }
  out.close();
  require(out.good(), unfinished, ": cannot be written; is the disk full?");
  std::filesystem::rename(unfinished, path);
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

}  // namespace la
