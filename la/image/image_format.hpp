#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// Kinds of image files, known by their first bytes whatever the file is called.
enum class ImageFormat { jpeg, png, bmp, webp, heic, avif, gif, tiff };

/// "JPEG"
const char* name_of(ImageFormat format) noexcept;

/// Nothing for a file of none of these kinds.
std::optional<ImageFormat> sniff_image_format(std::span<const std::byte> bytes) noexcept;

/// Whether this build decodes the format. JPEG, PNG and BMP always; the others when it was made with their libraries
/// (LA_WITH_WEBP, LA_WITH_HEIF, LA_WITH_GIF, LA_WITH_TIFF).
bool can_decode(ImageFormat format) noexcept;

/// "JPEG, PNG, BMP, WebP": those that this build decodes.
std::string decodable_formats();

/// What a file of another kind is, for messages: "a PDF document".
std::string describe_foreign_file(std::span<const std::byte> bytes);

/// The format of a file that this build decodes; `name` stands for it in messages.
/// error: another kind of file, which is named; a format without its library: the message says what to install
ImageFormat require_image_format(std::span<const std::byte> bytes, const std::string& name);

namespace detail {

inline std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace detail
}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "image_format.cpp"
#endif
