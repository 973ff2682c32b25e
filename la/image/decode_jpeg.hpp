#pragma once

#if defined(LA_WITH_JPEG)

#include <csetjmp>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include "decode_stb.hpp"
#include "image.hpp"
#include "image_file.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI::detail {

/// A JPEG's pixels by libjpeg-turbo with its defaults, as PIL has them. Where data is missing or wrong the library makes
/// pixels up and warns; here that is an error.
class JpegDecoder {
 public:
  explicit JpegDecoder(const ImageFile& file) : file_(file) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = leave;
    errors_.manager.emit_message = note;
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }

  Image decode() {
    check_jpeg_scans(file_);
    run([this] {
      jpeg_create_decompress(&info_);
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.bytes.data()), file_.bytes.size());
      jpeg_read_header(&info_, TRUE);
    });
    file_.check_size(info_.image_width, info_.image_height);
    check_pixels_fit(file_, info_.image_width, info_.image_height);
    const bool four = info_.num_components == 4;
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    run([this] { jpeg_start_decompress(&info_); });  // all of the file where there are several scans
    check_complete();
    Image image(info_.output_width, info_.output_height);
    std::vector<std::uint8_t> inks(four ? std::size_t(image.width) * 4 : 0);
    for (i64 y = 0; y < image.height; ++y) {
      JSAMPROW row = four ? inks.data() : image.row(y);
      run([this, row]() mutable { jpeg_read_scanlines(&info_, &row, 1); });
      if (!four) continue;
      for (std::uint8_t& ink : inks) ink = std::uint8_t(255 - ink);  // as Adobe stores them, marked so or not
      cmyk_to_rgb(inks.data(), {image.row(y), std::size_t(image.width) * 3});
    }
    check_complete();
    return image;
  }

 private:
  struct Errors {
    jpeg_error_mgr manager;  // libjpeg knows the address of this
    std::jmp_buf step;
    bool ran_out = false;
  };

  /// A step of the library, which leaves it by longjmp when it fails: nothing in a step may need a destructor.
  template <class Step>
  void run(Step step) {
    if (setjmp(errors_.step) == 0) return step();
    if (errors_.manager.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    if (errors_.ran_out) file_.fail_truncated();
    char reason[JMSG_LENGTH_MAX];
    errors_.manager.format_message(reinterpret_cast<j_common_ptr>(&info_), reason);
    file_.fail_damaged(reason);
  }

  static Errors& errors_of(j_common_ptr info) { return *reinterpret_cast<Errors*>(info->err); }

  [[noreturn]] static void leave(j_common_ptr info) { std::longjmp(errors_of(info).step, 1); }

  /// A warning, when the level is negative. The others are told of pixels that are all there.
  static void note(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
      case JWRN_JPEG_EOF:
        errors_of(info).ran_out = true;
        break;
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_ARITH_BAD_CODE:
      case JWRN_MUST_RESYNC:
        leave(info);
      default:
        break;
    }
  }

  /// error: a file without its end lacks data too. Huffman codes that are missing were told of by then, and of several
  /// scans the last must have come: the last bit of every coefficient. Arithmetic codes do not tell.
  void check_complete() const {
    if (errors_.ran_out && (info_.arith_code || !has_every_scan())) file_.fail_truncated();
  }

  bool has_every_scan() const noexcept {
    if (!jpeg_has_multiple_scans(const_cast<jpeg_decompress_struct*>(&info_))) return true;
    if (!info_.coef_bits) return false;
    for (int component = 0; component < info_.num_components; ++component)
      for (int k = 0; k < DCTSIZE2; ++k)
        if (info_.coef_bits[component][k] != 0) return false;
    return true;
  }

  const ImageFile& file_;
  Errors errors_{};
  jpeg_decompress_struct info_{};
};

inline Image decode_jpeg(const ImageFile& file) {
  return JpegDecoder(file).decode();
}

}  // namespace la::inline LA_ABI::detail

#endif
