#include <la/image/exif.hpp>

#include <la/image/load.hpp>

#include "../support.hpp"
#include "image_files.hpp"

using namespace la::test;

namespace {

/// 3 x 2 pixels, each its own number.
la::Image numbered() {
  la::Image image(3, 2);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::uint8_t(i / 3);
  return image;
}

std::vector<int> numbers_of(const la::Image& image) {
  std::vector<int> numbers;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) numbers.push_back(image.pixels[i]);
  return numbers;
}

int orientation_of(const std::string& jpeg) {
  return la::exif_orientation(bytes_of(jpeg));
}

}  // namespace

TEST_CASE("exif: the eight orientations") {
  // stored: 0 1 2
  //         3 4 5
  const std::vector<std::vector<int>> shown{{0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0},
                                            {3, 4, 5, 0, 1, 2}, {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2},
                                            {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const la::Image image = la::apply_orientation(numbered(), orientation);
    CHECK(image.width == (orientation >= 5 ? 2 : 3));
    CHECK(image.height == (orientation >= 5 ? 3 : 2));
    CHECK(numbers_of(image) == shown[orientation - 1]);
  }
  for (const int unknown : {0, -1, 9}) CHECK(la::apply_orientation(numbered(), unknown) == numbered());
}

TEST_CASE("exif: a JPEG is turned as its metadata says unless that is switched off") {
  la::Image stored(32, 16);
  for (int y = 0; y < 8; ++y) std::fill_n(stored.row(y), 24, std::uint8_t(255));  // a white top left corner
  const std::string jpeg = make_jpeg(stored);
  const la::Image plain = la::decode_image(bytes_of(jpeg), "picture");
  for (const bool big : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      CAPTURE(orientation);
      const std::string turned = with_app1(jpeg, exif_payload(orientation, big));
      CHECK(orientation_of(turned) == orientation);
      CHECK(la::decode_image(bytes_of(turned), "picture") == la::apply_orientation(plain, orientation));
      CHECK(la::decode_image(bytes_of(turned), "picture", {.exif = la::ExifOrientation::ignore}) == plain);
    }
}

TEST_CASE("exif: an orientation of type LONG, as phones write it") {
  const std::string jpeg = make_jpeg(la::Image(8, 8));
  for (const bool big : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation)
      CHECK(orientation_of(with_app1(jpeg, exif_payload(orientation, big, true))) == orientation);
  CHECK(orientation_of(with_app1(jpeg, exif_payload(0x10006, true, true))) == 1);
}

TEST_CASE("exif: a PNG's eXIf chunk, with the prefix of JPEG or without") {
  const std::string samples("\x01\x01\x01\x02\x02\x02", 6);
  const la::Image plain = la::decode_image(bytes_of(make_png(2, 1, PngColour::rgb, 8, samples)), "picture");
  for (const std::size_t prefix : {0, 6}) {
    const std::string chunk = png_chunk("eXIf", exif_payload(6, true).substr(prefix));
    const std::string png = make_png(2, 1, PngColour::rgb, 8, samples, chunk);
    CHECK(orientation_of(png) == 6);
    CHECK(la::decode_image(bytes_of(png), "picture") == la::apply_orientation(plain, 6));
    CHECK(la::decode_image(bytes_of(png), "picture", {.exif = la::ExifOrientation::ignore}) == plain);
    for (std::size_t size = 0; size < png.size(); ++size) {  // any cut: no read outside
      const int orientation = orientation_of(png.substr(0, size));
      REQUIRE((orientation == 1 || orientation == 6));
    }
  }
}

TEST_CASE("exif: a WebP's EXIF chunk, wherever it is") {
  const auto webp = [](const std::string& chunks) {
    return "RIFF" + little_endian(std::uint32_t(chunks.size()) + 4, 4) + "WEBP" + chunks;
  };
  const auto chunk = [](const std::string& type, const std::string& data) {
    return type + little_endian(std::uint32_t(data.size()), 4) + data + std::string(data.size() % 2, '\0');
  };
  const std::string exif = chunk("EXIF", exif_payload(8, false).substr(6)), pixels = chunk("VP8L", "odd");
  CHECK(orientation_of(webp(pixels + exif)) == 8);
  CHECK(orientation_of(webp(exif + pixels)) == 8);
  CHECK(orientation_of(webp(pixels)) == 1);
  CHECK(orientation_of(webp("VP8L\xff\xff\xff\xff" + exif)) == 1);
  for (std::size_t size = 0; size < exif.size(); ++size) {
    const int orientation = orientation_of(webp(pixels + exif).substr(0, 24 + size));
    REQUIRE((orientation == 1 || orientation == 8));
  }
}

TEST_CASE("exif: other segments before it are passed over") {
  const std::string jpeg = make_jpeg(la::Image(8, 8));
  const std::string exif = with_app1(jpeg, exif_payload(6, true));
  CHECK(orientation_of(with_app1(exif, "http://ns.adobe.com/xap/1.0/")) == 6);
  CHECK(orientation_of(exif.substr(0, 2) + "\xff\xff" + exif.substr(2)) == 6);  // fill bytes
}

TEST_CASE("exif: malformed metadata is ignored") {
  const std::string jpeg = make_jpeg(la::Image(8, 8));
  CHECK(orientation_of(jpeg) == 1);
  CHECK(orientation_of("") == 1);
  const std::string payload = exif_payload(6, false);
  for (std::size_t size = 0; size + 8 < payload.size(); ++size)  // the 4-byte tail and padding are not needed
    CHECK(orientation_of(with_app1(jpeg, payload.substr(0, size))) == 1);
  for (const int wrong : {0, 9, 65535})
    CHECK(orientation_of(with_app1(jpeg, exif_payload(wrong, true))) == 1);

  const auto replaced = [&](std::size_t at, const std::string& by) {
    return with_app1(jpeg, std::string(payload).replace(at, by.size(), by));
  };
  CHECK(orientation_of(replaced(6, "XX")) == 1);                 // byte order
  CHECK(orientation_of(replaced(8, "\x2b")) == 1);               // magic number
  CHECK(orientation_of(replaced(10, "\xff\xff\xff\xff")) == 1);  // directory far outside
  CHECK(orientation_of(replaced(28, "\x05")) == 1);              // another type
  CHECK(orientation_of(replaced(14, "\xff\xff")) == 6);  // too many entries: the tag still lies inside
  CHECK(orientation_of(replaced(14, std::string("\0\0", 2))) == 1);

  const std::string turned = with_app1(jpeg, payload);
  for (std::size_t size = 0; size < turned.size(); ++size) {  // any cut: no read outside
    const int orientation = orientation_of(turned.substr(0, size));
    REQUIRE((orientation == 1 || orientation == 6));
  }
  CHECK(la::decode_image(bytes_of(replaced(10, "\xff\xff\xff\xff")), "picture").width == 8);
}
