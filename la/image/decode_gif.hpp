#pragma once

#if defined(LA_WITH_GIF)

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <gif_lib.h>

#include "image.hpp"
#include "image_file.hpp"

namespace la::inline LA_ABI::detail {

/// Reads the first picture of a GIF onto its canvas. What the picture leaves free is white where it has a transparent
/// colour, and else of colour 0, as PIL fills it.
class GifDecoder {
 public:
  explicit GifDecoder(const ImageFile& file) : file_(file), rest_(file.bytes) {
    int error = 0;
    gif_.reset(DGifOpen(this, read, &error));
    if (!gif_) fail_gif(error);
  }

  Image decode() {
    for (;;) {
      GifRecordType type = UNDEFINED_RECORD_TYPE;
      check(DGifGetRecordType(gif_.get(), &type));
      if (type == IMAGE_DESC_RECORD_TYPE) return decode_frame();
      if (type == TERMINATE_RECORD_TYPE) file_.fail_damaged("it has no picture");
      if (type == EXTENSION_RECORD_TYPE) read_extension();
    }
  }

 private:
  struct Close {
    void operator()(GifFileType* gif) const noexcept { DGifCloseFile(gif, nullptr); }
  };

  static int read(GifFileType* gif, GifByteType* out, int size) {
    auto& self = *static_cast<GifDecoder*>(gif->UserData);
    const std::size_t count = std::min(std::size_t(std::max(size, 0)), self.rest_.size());
    self.ran_out_ |= count < std::size_t(size);
    if (count > 0) std::memcpy(out, self.rest_.data(), count);
    self.rest_ = self.rest_.subspan(count);
    return int(count);
  }

  [[noreturn]] void fail_gif(int error) const {
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) throw std::bad_alloc();
    if (ran_out_) file_.fail_truncated();
    const char* reason = GifErrorString(error);
    file_.fail_damaged(reason ? reason : "its data is not valid");
  }
  void check(int result) const {
    if (result == GIF_ERROR) fail_gif(gif_->Error);
  }

  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;  // its length, then its bytes
    check(DGifGetExtension(gif_.get(), &code, &block));
    GraphicsControlBlock control;
    if (code == GRAPHICS_EXT_FUNC_CODE && block &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
      transparent_ = control.TransparentColor;
    while (block) check(DGifGetExtensionNext(gif_.get(), &block));
  }

  /// The colours of all indices: grey where the file has no colour, as in PIL; white where it is transparent.
  std::array<GifColorType, 256> colors() const noexcept {
    std::array<GifColorType, 256> colors;
    for (std::size_t i = 0; i < colors.size(); ++i)
      colors[i] = {GifByteType(i), GifByteType(i), GifByteType(i)};
    const ColorMapObject* map = gif_->Image.ColorMap ? gif_->Image.ColorMap : gif_->SColorMap;
    if (map) std::copy_n(map->Colors, std::clamp(map->ColorCount, 0, 256), colors.begin());
    if (transparent_ != NO_TRANSPARENT_COLOR) colors[std::size_t(transparent_)] = {255, 255, 255};
    return colors;
  }

  Image decode_frame() {
    check(DGifGetImageDesc(gif_.get()));
    const GifImageDesc& frame = gif_->Image;
    const i64 left = frame.Left, top = frame.Top, width = frame.Width, height = frame.Height;
    file_.check_size(width, height);
    const i64 canvas_width = std::max(i64{gif_->SWidth}, left + width);
    const i64 canvas_height = std::max(i64{gif_->SHeight}, top + height);
    file_.check_size(canvas_width, canvas_height);
    const std::array<GifColorType, 256> palette = colors();
    const auto put = [&](std::uint8_t* to, std::size_t index) {
      to[0] = palette[index].Red;
      to[1] = palette[index].Green;
      to[2] = palette[index].Blue;
    };

    Image image(canvas_width, canvas_height);
    const std::size_t background = transparent_ == NO_TRANSPARENT_COLOR ? 0 : std::size_t(transparent_);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) put(&image.pixels[i], background);
    struct Pass {
      i64 first, step;
    };
    static constexpr std::array<Pass, 4> kInterlaced{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
    static constexpr std::array<Pass, 1> kPlain{{{0, 1}}};
    std::vector<GifPixelType> line(std::size_t(width), GifPixelType{});
    for (const Pass& pass :
         frame.Interlace ? std::span<const Pass>(kInterlaced) : std::span<const Pass>(kPlain))
      for (i64 y = pass.first; y < height; y += pass.step) {
        check(DGifGetLine(gif_.get(), line.data(), int(width)));
        std::uint8_t* to = image.row(top + y) + 3 * left;
        for (std::size_t x = 0; x < line.size(); ++x, to += 3) put(to, line[x]);
      }
    return image;
  }

  const ImageFile& file_;
  std::span<const std::byte> rest_;
  bool ran_out_ = false;
  int transparent_ = NO_TRANSPARENT_COLOR;
  std::unique_ptr<GifFileType, Close> gif_;
};

inline Image decode_gif(const ImageFile& file) {
  return GifDecoder(file).decode();
}

}  // namespace la::inline LA_ABI::detail

#endif
