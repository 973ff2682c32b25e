#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// A number of these bytes, at most four, the highest first.
inline std::uint32_t read_big_endian(std::span<const std::byte> bytes) noexcept {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}

inline constexpr std::size_t kPngSignatureBytes = 8;

struct PngChunk {
  std::string_view type;               ///< "IHDR"
  std::size_t length = 0;              ///< of the payload, as the file declares it; it may be cut short
  std::span<const std::byte> payload;  ///< what the file has of it
};

/// The chunk at `at`, which moves behind it (the first is at kPngSignatureBytes). Nothing where the file ends before a
/// chunk's length and type.
inline std::optional<PngChunk> next_png_chunk(std::span<const std::byte> png, std::size_t& at) noexcept {
  constexpr std::size_t kHeader = 8, kChecksum = 4;
  if (at > png.size() || png.size() - at < kHeader) return std::nullopt;
  PngChunk chunk{
      {reinterpret_cast<const char*>(png.data() + at + 4), 4}, read_big_endian(png.subspan(at, 4)), {}};
  at += kHeader;
  chunk.payload = png.subspan(at, std::min(chunk.length, png.size() - at));
  at += chunk.length + kChecksum;
  return chunk;
}

}  // namespace la::inline LA_ABI
