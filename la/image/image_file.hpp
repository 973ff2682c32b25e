#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "image_format.hpp"

namespace la::inline LA_ABI {

enum class ExifOrientation { apply, ignore };

struct LoadOptions {
  /// Whether a JPEG, PNG or WebP is turned the way its EXIF metadata says. `ignore` is what the reference
  /// implementation does. What the pixels of a HEIC, AVIF or TIFF file go through to be shown is no metadata: it is
  /// always done, as in the reference.
  ExifOrientation exif = ExifOrientation::apply;
  /// Checked against the header, before anything of that size is allocated.
  i64 max_pixels = i64{1} << 28;
  i64 max_file_bytes = i64{1} << 30;
};

namespace detail {

/// What every decoder gets, and the errors that they share.
struct ImageFile {
  std::span<const std::byte> bytes;
  const std::string& name;  ///< in messages
  ImageFormat format;
  const LoadOptions& options;

  [[noreturn]] void fail_truncated() const {
    fail(name, ": truncated ", name_of(format), ", ", bytes.size(), " bytes");
  }
  /// What the decoder says.
  [[noreturn]] void fail_damaged(const std::string& reason) const {
    fail(name, ": damaged or unsupported ", name_of(format), ": ", reason);
  }
  /// error: no pixels, or more than max_pixels
  void check_size(i64 width, i64 height) const {
    require(width > 0 && height > 0, name, ": expected a picture, found ", width, "x", height, " pixels");
    require(width <= options.max_pixels / height, name, ": too large: expected at most ", options.max_pixels,
            " pixels, found ", width, "x", height);
  }
};

}  // namespace detail
}  // namespace la::inline LA_ABI
