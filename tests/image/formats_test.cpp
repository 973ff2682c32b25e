#include <la/image/load.hpp>

#include <la/core/error.hpp>

#include <algorithm>
#include <set>

#include "../support.hpp"
#include "image_files.hpp"

// Files of every format against the pixels that PIL (HEIC and AVIF: libheif's own program) makes of them.
namespace la::test {
namespace {

using Files = std::vector<std::filesystem::path>;

/// Those of a folder of goldens that are not themselves expectations, sorted.
Files golden_files(const std::string& folder, const std::string& ending) {
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(source("tests/goldens/" + folder)))
    if (entry.path().extension() == ending) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::size_t differing_bytes(const Image& a, const Image& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) count += a.pixels[i] != b.pixels[i];
  return count;
}

bool skipped(ImageFormat format) {
  if (can_decode(format)) return false;
  MESSAGE("skipped: this build does not decode ", name_of(format));
  return true;
}

/// Every file of the folder: its own pixels, its limits, and what happens to it when it is cut or damaged.
void check_format(ImageFormat format, const std::string& folder, const std::string& ending) {
  if (skipped(format)) return;
  const Files files = golden_files(folder, ending);
  CHECK(files.size() >= 8);
  for (const auto& path : files) {
    CAPTURE(path.filename().string());
    const std::string file = read_file(path.string());
    CHECK(sniff_image_format(bytes_of(file)) == format);
    const Image image = load_image(path.string());
    CHECK(differing_bytes(image, load_image(path.string() + ".png")) == 0);
    const i64 pixels = image.width * image.height;
    CHECK(
        decode_error(file, {.max_pixels = pixels - 1}).starts_with("picture: too large: expected at most "));
  }
}

/// A file cut anywhere is refused with a reason, unless what is missing is not of its first picture.
/// `most`: how many cuts of all may be taken for whole
void check_cuts(ImageFormat format, const std::string& file, std::size_t most) {
  if (skipped(format)) return;
  const Image whole = decode_image(bytes_of(file), "picture");
  std::size_t taken = 0;
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    const std::string cut = file.substr(0, size), error = decode_error(cut);
    if (error == "no error") {
      ++taken;
      REQUIRE(decode_image(bytes_of(cut), "picture") == whole);
    } else {
      REQUIRE(error.starts_with("picture: "));
    }
  }
  CHECK(taken <= most);
}

/// A file with any byte changed is refused or decoded: no crash, and no more than a line said of it.
void check_damage(ImageFormat format, const std::string& file) {
  if (skipped(format)) return;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < file.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = file;
      damaged[at] = char(damaged[at] ^ flip);
      const std::string error = decode_error(damaged, {.max_pixels = 1 << 16});
      REQUIRE((error == "no error" || error.starts_with("picture: ")));
      REQUIRE(error.find('\n') == std::string::npos);
      refused += error != "no error";
    }
  CHECK(refused > 0);
}

std::string golden(const std::string& path) {
  return read_file(source("tests/goldens/formats/" + path));
}

}  // namespace

TEST_CASE("formats: JPEG has the pixels of PIL, every byte") {
  if (!kLibjpeg) {
    MESSAGE("skipped: this build decodes JPEG by stb_image");
    return;
  }
  const Files files = golden_files("jpeg", ".jpg");
  CHECK(files.size() == 21);
  std::size_t equal = 0;
  for (const auto& path : files) {
    CAPTURE(path.filename().string());
    std::filesystem::path expected = path;
    expected.replace_extension(".png");
    const std::size_t differing = differing_bytes(load_image(path.string()), load_image(expected.string()));
    CHECK(differing == 0);
    equal += differing == 0;
  }
  CHECK(equal == 21);
}

TEST_CASE("formats: JPEG by stb_image differs by little where chroma is not subsampled") {
  if (kLibjpeg) return;
  for (const auto& path : golden_files("jpeg", ".jpg")) {
    if (path.filename().string().find("_s0_") == std::string::npos) continue;
    CAPTURE(path.filename().string());
    std::filesystem::path expected = path;
    expected.replace_extension(".png");
    const Image a = load_image(path.string()), b = load_image(expected.string());
    REQUIRE(a.pixels.size() == b.pixels.size());
    int most = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i)
      most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
    CHECK(most <= 3);
  }
}

TEST_CASE(
    "formats: JPEG of phones, webcams and print shops: no end, no tables, no marker, arithmetic codes") {
  if (kLibjpeg) check_format(ImageFormat::jpeg, "formats/jpeg", ".jpg");
}

TEST_CASE("formats: a progressive JPEG needs its last scan, not its end marker") {
  if (!kLibjpeg) return;
  const std::string file = read_file(source("tests/goldens/jpeg/10_121x203_s1_q35_p.jpg"));
  const Image whole = decode_image(bytes_of(file), "picture");
  const std::string open = file.substr(0, file.size() - 2);
  CHECK(decode_image(bytes_of(open + "Image_UTC_Data"), "picture") == whole);
  CHECK(decode_image(bytes_of(open), "picture") == whole);
  const std::size_t last = file.rfind("\xff\xda");
  for (const std::size_t size : {last, last + 4, last + 30, file.size() - 6})
    CHECK(decode_error(file.substr(0, size)).find("truncated") != std::string::npos);
}

TEST_CASE("formats: a JPEG without quantisation tables is refused") {
  const std::string file = golden("jpeg/chroma422.jpg");
  std::string without = file;
  for (std::size_t at; (at = without.find("\xff\xdb")) != std::string::npos;)
    without.erase(at, 2 + (std::size_t(static_cast<unsigned char>(without[at + 2])) << 8) +
                          static_cast<unsigned char>(without[at + 3]));
  if (kLibjpeg)
    CHECK(decode_error(without) ==
          "picture: damaged or unsupported JPEG: Quantization table 0x00 was not defined");
}

TEST_CASE("formats: WebP, lossy and not, with alpha, animated, turned") {
  check_format(ImageFormat::webp, "formats/webp", ".webp");
  check_cuts(ImageFormat::webp, golden("webp/lossy.webp"), 0);
  check_cuts(ImageFormat::webp, golden("webp/lossless_alpha.webp"), 0);
  check_cuts(ImageFormat::webp, golden("webp/turned.webp"), 0);
  check_damage(ImageFormat::webp, golden("webp/lossy_alpha.webp"));
  check_damage(ImageFormat::webp, golden("webp/animated_inset.webp"));
}

TEST_CASE("formats: GIF, the first frame on its canvas") {
  check_format(ImageFormat::gif, "formats/gif", ".gif");
  check_cuts(ImageFormat::gif, golden("gif/interlaced.gif"), 1);
  check_damage(ImageFormat::gif, golden("gif/inset_transparent.gif"));
}

TEST_CASE("formats: TIFF of every layout, compression and kind of colours") {
  check_format(ImageFormat::tiff, "formats/tiff", ".tif");
  for (const char* file : {"tiff/rgb_lzw.tif", "tiff/tiled.tif", "tiff/jpeg.tif", "tiff/ycbcr.tif"}) {
    CAPTURE(file);
    check_damage(ImageFormat::tiff, golden(file));
  }
  check_cuts(ImageFormat::tiff, golden("tiff/rgba_deflate.tif"), 8);
}

TEST_CASE("formats: HEIC of 8 and 10 bits, with alpha, of odd sides, turned and mirrored") {
  check_format(ImageFormat::heic, "formats/heic", ".heic");
  check_cuts(ImageFormat::heic, golden("heic/even.heic"), 8);
  check_damage(ImageFormat::heic, golden("heic/turned.heic"));
}

TEST_CASE(
    "formats: a HEIC grid whose canvas is larger than its header says is refused before it is allocated") {
  if (skipped(ImageFormat::heic)) return;
  std::string file = golden("heic/even.heic");
  const std::string canvas{"\0\0\0\0\0\x40\0\x30",
                           8};  // version, flags, rows and columns less one, width, height
  const std::size_t at = file.find("idat" + canvas);
  REQUIRE(at != file.npos);
  file.replace(at + 8, 4, "\x7f\xff\x7f\xff");
  std::string error = decode_error(file);
  CAPTURE(error);
  CHECK(error.starts_with("picture: too large: expected sides of at most 4096 pixels, found: "));
  std::erase_if(error, [](char c) { return c == '.' || c == ','; });  // libheif writes as the locale says
  CHECK(error.find("32767x32767") != error.npos);
}

TEST_CASE(
    "formats: a HEIC grid of grids, in a circle or with one part twice, is refused before it is decoded") {
  if (skipped(ImageFormat::heic)) return;
  const std::string file = golden("heic/even.heic");  // item 2, a grid, of item 1, a coded picture
  const std::size_t reference = file.find(std::string("dimg\0\2\0\1\0\1", 10)), coded = file.find("hvc1");
  REQUIRE(reference != file.npos);
  REQUIRE(coded != file.npos);
  const auto check = [](const std::string& damaged, const char* reason) {
    CHECK(decode_error(damaged) == std::string("picture: damaged or unsupported HEIC: ") + reason);
  };
  const char* nested = "a picture made of pictures that are made of others";
  std::string damaged = file;
  damaged[reference + 9] = '\2';  // of itself
  check(damaged, nested);
  for (const char* type : {"grid", "iovl", "iden"}) {
    damaged = file;
    damaged.replace(coded, 4, type);
    check(damaged, nested);
  }
  damaged = file;
  damaged.replace(reference + 6, 4, std::string("\0\2\0\1\0\1", 6));
  for (const char* box : {"dimg", "iref", "meta"})
    damaged[damaged.find(box) - 1] = char(damaged[damaged.find(box) - 1] + 2);
  check(damaged, "a grid or overlay that uses one part twice");
  const std::size_t meta = file.find("meta") - 4;
  check(file + file.substr(meta, file.find("mdat") - 4 - meta), "two boxes meta");
}

TEST_CASE("formats: AVIF of 8, 10 and 12 bits, with alpha, of odd sides, turned and mirrored") {
  check_format(ImageFormat::avif, "formats/avif", ".avif");
  check_cuts(ImageFormat::avif, golden("avif/even.avif"), 8);
  check_damage(ImageFormat::avif, golden("avif/turned.avif"));
}

TEST_CASE("formats: what is turned by metadata is not when that is switched off") {
  if (can_decode(ImageFormat::webp)) {
    const std::string file = golden("webp/turned.webp");
    const Image stored = decode_image(bytes_of(file), "picture", {.exif = ExifOrientation::ignore});
    CHECK(stored.width == 24);
    CHECK(stored.height == 10);
    CHECK(decode_image(bytes_of(file), "picture").width == 10);
  }
}

}  // namespace la::test
