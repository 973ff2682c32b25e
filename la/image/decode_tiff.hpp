#pragma once

#if defined(LA_WITH_TIFF)

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <tiffio.h>

#include "exif.hpp"
#include "image.hpp"
#include "image_file.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI::detail {

/// Reads the first page of a TIFF of 8 bits a sample: grey, RGB, both with alpha, CMYK, YCbCr; and of a palette or grey of
/// 1, 2, 4 or 8 bits. Every compression that libtiff has. Colours as PIL makes them.
class TiffDecoder {
 public:
  explicit TiffDecoder(const ImageFile& file) : file_(file) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                               TIFFOpenOptionsFree);
    if (!options) throw std::bad_alloc();
    constexpr tmsize_t kSlack = tmsize_t{1} << 24;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), 4 * file.options.max_pixels + kSlack);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note_error, this);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), pass_warning, nullptr);
    tiff_.reset(TIFFClientOpenExt(file.name.c_str(), "rm", this, read, write, seek, close, size, nullptr,
                                  nullptr, options.get()));
    if (!tiff_) fail_tiff();
  }

  /// Turned and mirrored as the file says.
  Image decode() {
    std::uint32_t width = 0, height = 0;
    std::uint16_t orientation = 1;
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    file_.check_size(width, height);
    width_ = width;
    height_ = height;
    return apply_orientation(decode_colors(), orientation);
  }

 private:
  struct Close {
    void operator()(TIFF* tiff) const noexcept { TIFFClose(tiff); }
  };

  static tmsize_t read(thandle_t user, void* out, tmsize_t count) {
    auto& self = *static_cast<TiffDecoder*>(user);
    const std::size_t at = std::size_t(std::min<toff_t>(self.at_, self.file_.bytes.size()));
    const std::size_t found = std::min(std::size_t(count), self.file_.bytes.size() - at);
    self.ran_out_ |= found < std::size_t(count);
    if (found > 0) std::memcpy(out, self.file_.bytes.data() + at, found);
    self.at_ = at + found;
    return tmsize_t(found);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t user, toff_t to, int whence) {
    auto& self = *static_cast<TiffDecoder*>(user);
    self.at_ =
        whence == SEEK_SET ? to : to + (whence == SEEK_CUR ? self.at_ : toff_t(self.file_.bytes.size()));
    return self.at_;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t user) { return static_cast<TiffDecoder*>(user)->file_.bytes.size(); }

  /// The first error is the reason of those that follow.
  static int note_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    auto& self = *static_cast<TiffDecoder*>(user);
    if (self.error_[0] == '\0') std::vsnprintf(self.error_.data(), self.error_.size(), format, arguments);
    return 1;
  }
  static int pass_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

  [[noreturn]] void fail_tiff() const {
    if (ran_out_) file_.fail_truncated();
    file_.fail_damaged(error_[0] ? error_.data() : "its data is not valid");
  }
  [[noreturn]] void fail_expected(const std::string& found) const {
    fail(file_.name, ": expected a TIFF of 8 bits a sample, grey, RGB, CMYK, YCbCr or of a palette, found ",
         found);
  }

  std::uint16_t field(std::uint32_t tag) const {
    std::uint16_t value = 0;
    TIFFGetFieldDefaulted(tiff_.get(), tag, &value);
    return value;
  }

  Image decode_colors() {
    std::uint16_t photometric = field(TIFFTAG_PHOTOMETRIC);
    if (!TIFFGetField(tiff_.get(), TIFFTAG_PHOTOMETRIC, &photometric))
      file_.fail_damaged("it has no kind of colours");
    if (photometric == PHOTOMETRIC_YCBCR) {
      if (field(TIFFTAG_COMPRESSION) != COMPRESSION_JPEG) return decode_ycbcr();
      TIFFSetField(tiff_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      photometric = PHOTOMETRIC_RGB;
    }
    bits_ = field(TIFFTAG_BITSPERSAMPLE);
    channels_ = field(TIFFTAG_SAMPLESPERPIXEL);
    const bool one_sample = channels_ == 1 && (bits_ == 1 || bits_ == 2 || bits_ == 4);
    if ((bits_ != 8 && !one_sample) || field(TIFFTAG_SAMPLEFORMAT) != SAMPLEFORMAT_UINT)
      fail_expected(std::to_string(bits_) + " bits" +
                    (field(TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT ? "" : " with a sign or a fraction"));
    std::uint16_t extra_count = 0, *extra = nullptr;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
    const int extra_kind = extra_count > 0 ? extra[0] : -1;
    switch (photometric) {
      case PHOTOMETRIC_MINISWHITE:
      case PHOTOMETRIC_MINISBLACK:
        if (channels_ > 2) break;
        return grey(photometric == PHOTOMETRIC_MINISWHITE, extra_kind);
      case PHOTOMETRIC_RGB:
        if (channels_ < 3 || channels_ > 4) break;
        return rgb(extra_kind);
      case PHOTOMETRIC_PALETTE:
        if (channels_ != 1) break;
        return palette();
      case PHOTOMETRIC_SEPARATED:
        if (channels_ != 4) break;
        return cmyk();
      default:
        fail_expected("colours of kind " + std::to_string(photometric));
    }
    fail_expected(std::to_string(channels_) + " samples a pixel");
  }

  Image grey(bool white_is_zero, int extra_kind) {
    std::vector<std::uint8_t> samples = read_samples();
    const unsigned scale = 255u / ((1u << bits_) - 1u);
    for (std::size_t i = 0; i < samples.size(); i += channels_) {
      const unsigned value = samples[i] * scale;
      samples[i] = std::uint8_t(white_is_zero ? 255u - value : value);
    }
    return channels_ == 2 && extra_kind == EXTRASAMPLE_UNSPECIFIED ? without_alpha(samples)
                                                                   : to_image(samples);
  }

  /// A fourth sample is alpha unless the file says that it is something else.
  Image rgb(int extra_kind) {
    std::vector<std::uint8_t> samples = read_samples();
    if (channels_ == 4 && extra_kind == EXTRASAMPLE_UNSPECIFIED) return without_alpha(samples);
    if (channels_ == 4 && extra_kind == EXTRASAMPLE_ASSOCALPHA) unpremultiply(samples);
    return to_image(samples);
  }

  Image palette() {
    std::array<std::uint16_t*, 3> colors{};
    if (!TIFFGetField(tiff_.get(), TIFFTAG_COLORMAP, &colors[0], &colors[1], &colors[2]))
      file_.fail_damaged("it has no palette");
    const std::vector<std::uint8_t> samples = read_samples();
    Image image(width_, height_);
    for (std::size_t i = 0; i < samples.size(); ++i)
      for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = std::uint8_t(colors[c][samples[i]] >> 8);
    return image;
  }

  Image cmyk() {
    const std::vector<std::uint8_t> samples = read_samples();
    Image image(width_, height_);
    cmyk_to_rgb(samples.data(), image.pixels);
    return image;
  }

  /// libtiff's own conversion, which knows the subsampling.
  Image decode_ycbcr() {
    std::vector<std::uint32_t> raster(std::size_t(width_ * height_));
    if (!TIFFReadRGBAImageOriented(tiff_.get(), std::uint32_t(width_), std::uint32_t(height_), raster.data(),
                                   field(TIFFTAG_ORIENTATION), 1))
      fail_tiff();
    Image image(width_, height_);
    for (std::size_t i = 0; i < raster.size(); ++i) {
      image.pixels[3 * i] = std::uint8_t(TIFFGetR(raster[i]));
      image.pixels[3 * i + 1] = std::uint8_t(TIFFGetG(raster[i]));
      image.pixels[3 * i + 2] = std::uint8_t(TIFFGetB(raster[i]));
    }
    return image;
  }

  Image to_image(const std::vector<std::uint8_t>& samples) const {
    Image image(width_, height_);
    samples_to_rgb(samples.data(), int(channels_), image.pixels);
    return image;
  }
  Image without_alpha(std::vector<std::uint8_t>& samples) const {
    for (std::size_t i = channels_ - 1; i < samples.size(); i += channels_) samples[i] = 255;
    return to_image(samples);
  }

  /// samples: [height][width][channels], a byte each, whatever the file has a byte for
  std::vector<std::uint8_t> read_samples() {
    std::uint32_t tile_width = std::uint32_t(width_), tile_height = 0;
    const bool tiled = TIFFIsTiled(tiff_.get()) != 0;
    if (tiled) {
      TIFFGetField(tiff_.get(), TIFFTAG_TILEWIDTH, &tile_width);
      TIFFGetField(tiff_.get(), TIFFTAG_TILELENGTH, &tile_height);
    } else {
      TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ROWSPERSTRIP, &tile_height);
      tile_height = std::min(tile_height, std::uint32_t(height_));
    }
    file_.check_size(tile_width, tile_height);
    const bool separate = field(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
    const std::size_t planes = separate ? channels_ : 1, in_tile = channels_ / planes;
    const std::size_t row_bytes = (std::size_t(tile_width) * in_tile * bits_ + 7) / 8;
    std::vector<std::uint8_t> samples(std::size_t(width_ * height_) * channels_);
    std::vector<std::uint8_t> tile(row_bytes * tile_height);
    const tmsize_t tile_bytes = tiled ? TIFFTileSize(tiff_.get()) : TIFFStripSize(tiff_.get());
    if (tile_bytes != tmsize_t(tile.size())) fail_expected("rows of another length than their samples have");
    for (std::size_t plane = 0; plane < planes; ++plane)
      for (i64 top = 0; top < height_; top += tile_height)
        for (i64 left = 0; left < width_; left += tile_width) {
          read_tile(tiled, left, top, plane, tile);
          const i64 rows = std::min(i64{tile_height}, height_ - top),
                    columns = std::min(i64{tile_width}, width_ - left);
          for (i64 y = 0; y < rows; ++y) {
            const std::uint8_t* from = tile.data() + std::size_t(y) * row_bytes;
            std::uint8_t* to = &samples[std::size_t((top + y) * width_ + left) * channels_ + plane];
            for (std::size_t i = 0; i < std::size_t(columns) * in_tile; ++i) {
              *to = sample(from, i);
              to += planes;
            }
          }
        }
    return samples;
  }

  void read_tile(bool tiled, i64 left, i64 top, std::size_t plane, std::vector<std::uint8_t>& tile) {
    const auto x = std::uint32_t(left), y = std::uint32_t(top);
    const auto p = std::uint16_t(plane);
    const auto size = tmsize_t(tile.size());
    const tmsize_t found =
        tiled ? TIFFReadEncodedTile(tiff_.get(), TIFFComputeTile(tiff_.get(), x, y, 0, p), tile.data(), size)
              : TIFFReadEncodedStrip(tiff_.get(), TIFFComputeStrip(tiff_.get(), y, p), tile.data(), size);
    if (found < 0) fail_tiff();
  }

  /// Number i of a row of samples of this many bits.
  std::uint8_t sample(const std::uint8_t* row, std::size_t i) const noexcept {
    if (bits_ == 8) return row[i];
    const std::size_t in_byte = 8 / bits_, shift = 8 - bits_ * (i % in_byte + 1);
    return std::uint8_t(row[i / in_byte] >> shift & ((1u << bits_) - 1u));
  }

  const ImageFile& file_;
  toff_t at_ = 0;
  bool ran_out_ = false;
  std::array<char, 256> error_{};
  i64 width_ = 0, height_ = 0;
  std::size_t channels_ = 0, bits_ = 0;
  std::unique_ptr<TIFF, Close> tiff_;
};

inline Image decode_tiff(const ImageFile& file) {
  return TiffDecoder(file).decode();
}

}  // namespace la::inline LA_ABI::detail

#endif
