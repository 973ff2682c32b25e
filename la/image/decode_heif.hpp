#pragma once

#if defined(LA_WITH_HEIF)

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <libheif/heif.h>

#include "heif_items.hpp"
#include "image.hpp"
#include "image_file.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI::detail {

inline constexpr i64 kMinHeifSideLimit = 4096;  // small limits leave room for the coder's padding

/// The longest side that a HEIC or AVIF file may have, before its header is known. The canvas of a grid has a size of its
/// own, which libheif allocates before it looks whether that is the size in the header, and its limit is one for both
/// sides: with a grid the side of a square of max_pixels, so that no canvas holds more.
inline i64 heif_side_limit(const ImageFile& file) {
  constexpr i64 kMaxSide = 32768;
  const std::string_view bytes = text_of(file.bytes);
  const bool canvas = bytes.find("grid") != bytes.npos || bytes.find("iovl") != bytes.npos;
  const i64 side = canvas ? i64(std::sqrt(double(file.options.max_pixels))) : file.options.max_pixels;
  return std::min(kMaxSide, std::max(kMinHeifSideLimit, side));
}

/// error: what libheif says
inline void check_heif(const ImageFile& file, const heif_error& error, i64 side_limit) {
  if (error.code == heif_error_Ok) return;
  const std::string_view message = error.message;
  const std::string reason(message.substr(0, message.find('\n')));
  if (error.code == heif_error_Memory_allocation_error && error.subcode == heif_suberror_Unspecified)
    throw std::bad_alloc();
  if (error.subcode == heif_suberror_End_of_data) file.fail_truncated();
  if (error.subcode == heif_suberror_Security_limit_exceeded)
    fail(file.name, ": too large: expected sides of at most ", side_limit, " pixels, found: ", reason);
  if (error.code == heif_error_Unsupported_filetype || error.subcode == heif_suberror_Unsupported_codec)
    file.fail_damaged(std::string("libheif has no decoder for it here (packages ") +
                      (file.format == ImageFormat::avif ? "libheif-plugin-dav1d or libheif-plugin-aomdec"
                                                        : "libheif-plugin-libde265") +
                      " where they exist): " + reason);
  file.fail_damaged(reason);
}

template <class Handle>
using HeifPointer = std::unique_ptr<Handle, void (*)(Handle*)>;

/// The primary picture of a HEIC or AVIF file, cropped, turned and mirrored as the file says; more than 8 bits keep the
/// highest.
inline Image decode_heif(const ImageFile& file) {
  const HeifPointer<heif_context> context(heif_context_alloc(), heif_context_free);
  if (!context) throw std::bad_alloc();
  check_heif_items(file);
  i64 side_limit = heif_side_limit(file);
  heif_context_set_maximum_image_size_limit(context.get(), int(side_limit) + 1);
  check_heif(file,
             heif_context_read_from_memory_without_copy(context.get(), file.bytes.data(), file.bytes.size(),
                                                        nullptr),
             side_limit);
  heif_image_handle* found = nullptr;
  check_heif(file, heif_context_get_primary_image_handle(context.get(), &found), side_limit);
  const HeifPointer<const heif_image_handle> handle(found, heif_image_handle_release);
  file.check_size(heif_image_handle_get_ispe_width(found), heif_image_handle_get_ispe_height(found));
  file.check_size(heif_image_handle_get_width(found), heif_image_handle_get_height(found));
  // No canvas is larger than the header says, on either side.
  side_limit =
      std::min(side_limit, i64(std::max({heif_image_handle_get_ispe_width(found),
                                         heif_image_handle_get_ispe_height(found), int(kMinHeifSideLimit)})));
  heif_context_set_maximum_image_size_limit(context.get(), int(side_limit) + 1);

  const HeifPointer<heif_decoding_options> options(heif_decoding_options_alloc(), heif_decoding_options_free);
  if (!options) throw std::bad_alloc();
  options->convert_hdr_to_8bit = 1;
  const bool has_alpha = heif_image_handle_has_alpha_channel(found) != 0;
  heif_image* decoded = nullptr;
  check_heif(file,
             heif_decode_image(found, &decoded, heif_colorspace_RGB,
                               has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                               options.get()),
             side_limit);
  const HeifPointer<const heif_image> pixels(decoded, heif_image_release);
  const i64 width = heif_image_get_width(decoded, heif_channel_interleaved);
  const i64 height = heif_image_get_height(decoded, heif_channel_interleaved);
  file.check_size(width, height);
  int stride = 0;
  const std::uint8_t* from = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
  if (!from) file.fail_damaged("it has no pixels");

  const int channels = has_alpha ? 4 : 3;
  const bool premultiplied = has_alpha && heif_image_handle_is_premultiplied_alpha(found);
  Image image(width, height);
  std::vector<std::uint8_t> row(std::size_t(width) * std::size_t(channels));
  for (i64 y = 0; y < height; ++y, from += stride) {
    std::copy_n(from, row.size(), row.begin());
    if (premultiplied) unpremultiply(row);
    samples_to_rgb(row.data(), channels, {image.row(y), std::size_t(width) * 3});
  }
  return image;
}

}  // namespace la::inline LA_ABI::detail

#endif
