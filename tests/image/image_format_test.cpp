#include <la/image/image_format.hpp>

#include <la/core/error.hpp>

#include "../support.hpp"
#include "image_files.hpp"

namespace la::test {
namespace {

using namespace std::string_literals;

std::string format_error(const std::string& file) {
  try {
    require_image_format(bytes_of(file), "picture");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// What a file that is no picture is called.
std::string found(const std::string& file) {
  const std::string error = format_error(file),
                    start = "picture: expected a picture (" + decodable_formats() + "), found ";
  REQUIRE_MESSAGE(error.starts_with(start), error);
  return error.substr(start.size());
}

std::optional<ImageFormat> sniff(const std::string& file) {
  return sniff_image_format(bytes_of(file));
}

}  // namespace

TEST_CASE("image format: known by the first bytes") {
  CHECK(sniff("\xff\xd8\xff\xe0"s) == ImageFormat::jpeg);
  CHECK(sniff("\x89PNG\r\n\x1a\n"s) == ImageFormat::png);
  CHECK(sniff("BM"s) == ImageFormat::bmp);
  CHECK(sniff("RIFF\0\0\0\0WEBP"s) == ImageFormat::webp);
  CHECK(sniff("GIF87a"s) == ImageFormat::gif);
  CHECK(sniff("GIF89a"s) == ImageFormat::gif);
  for (const std::string& start : {"II*\0"s, "MM\0*"s, "II+\0"s, "MM\0+"s})
    CHECK(sniff(start) == ImageFormat::tiff);
  CHECK(sniff("\0\0\0\x18"
              "ftypheic\0\0\0\0mif1heic"s) == ImageFormat::heic);
  CHECK(sniff("\0\0\0\x18"
              "ftypavif\0\0\0\0mif1miaf"s) == ImageFormat::avif);
  CHECK(sniff("\0\0\0\x18"
              "ftypmif1\0\0\0\0mif1heic"s) == ImageFormat::heic);
  CHECK(sniff("\0\0\0\x18"
              "ftypmif1\0\0\0\0mif1avif"s) == ImageFormat::avif);
  CHECK(sniff("\0\0\0\x18"
              "ftypisom\0\0\0\0isomavc1"s) == std::nullopt);
  for (const std::string& cut : {""s, "\xff\xd8"s, "\x89PNG\r\n"s, "RIFF\0\0\0\0WEB"s, "GIF8"s, "B"s,
                                 "\0\0\0\x18"
                                 "ftyphei"s})
    CHECK(sniff(cut) == std::nullopt);
}

TEST_CASE("image format: what is no picture is named") {
  CHECK(found("") == "an empty file");
  CHECK(found("<!DOCTYPE html><html>") == "an HTML page");
  CHECK(found("\xef\xbb\xbf\n  <HTML lang=en>") == "an HTML page");
  CHECK(found("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>") ==
        "an SVG drawing, which has no pixels");
  CHECK(found("<svg/>") == "an SVG drawing, which has no pixels");
  CHECK(found("<?xml version=\"1.0\"?><note/>") == "an XML file");
  CHECK(found("%PDF-1.7\n") == "a PDF document");
  CHECK(found("version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 12\n") ==
        "a Git LFS pointer in place of the file, which `git lfs pull` fetches");
  CHECK(found("P6 1 1 255 abc") == "a Netpbm image");
  CHECK(found("just words") == "text");
  CHECK(found("\0\0\0\x0cJXL \r\n\x87\n"s) == "a JPEG XL image");
  CHECK(found("\0\0\0\x0cjP  \r\n\x87\n"s) == "a JPEG 2000 image");
  CHECK(found("\0\0\0\x18"
              "ftypisom\0\0\0\0isomavc1"s) == "a video (MP4 or QuickTime)");
  CHECK(found("RIFF\0\0\0\0WAVE"s) == "a sound or video (RIFF)");
  CHECK(found("PK\3\4") == "a ZIP archive");
  CHECK(found("\x1f\x8b\x08") == "a gzip file");
  CHECK(found("8BPS") == "a Photoshop document");
  CHECK(found("GGUF\3") == "a GGUF model");
  CHECK(found("\x01\x02\xfe"s) == "an unknown format that begins with 01 02 fe");
}

TEST_CASE("image format: one that this build does not decode is told with the package that it takes") {
  const std::vector<std::pair<ImageFormat, std::string>> all{{ImageFormat::webp, "RIFF\0\0\0\0WEBP"s},
                                                             {ImageFormat::gif, "GIF89a"s},
                                                             {ImageFormat::tiff, "II*\0"s},
                                                             {ImageFormat::heic,
                                                              "\0\0\0\x10"
                                                              "ftypheic\0\0\0\0"s},
                                                             {ImageFormat::avif,
                                                              "\0\0\0\x10"
                                                              "ftypavif\0\0\0\0"s}};
  for (const auto& [format, start] : all) {
    const std::string error = format_error(start);
    if (can_decode(format)) {
      CHECK(error == "no error");
      CHECK(decodable_formats().find(name_of(format)) != std::string::npos);
    } else {
      CHECK(error.starts_with("picture: a "s + name_of(format) +
                              " picture, which this build does not decode: install lib"));
    }
  }
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::png, ImageFormat::bmp})
    CHECK(can_decode(format));
  CHECK(decodable_formats().starts_with("JPEG, PNG, BMP"));
}

}  // namespace la::test
