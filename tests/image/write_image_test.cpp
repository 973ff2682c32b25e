#include <la/image/write_image.hpp>

#include <la/core/error.hpp>
#include <la/image/load.hpp>

#include <algorithm>

#include "../support.hpp"
#include "image_files.hpp"

namespace la::test {
namespace {

Image ramp(i64 width, i64 height) {
  Image image(width, height);
  for (i64 y = 0; y < height; ++y)
    for (i64 x = 0; x < 3 * width; ++x) image.row(y)[x] = std::uint8_t((x / 3 + 2 * y) % 200);
  return image;
}

}  // namespace

TEST_CASE("write_image: a PNG keeps every pixel, a JPEG nearly") {
  TemporaryDirectory here;
  const Image image = ramp(40, 30);
  write_image(here / "a.png", image);
  write_image(here / "no_ending", image);
  CHECK(sniff_image_format(bytes_of(read_file(here / "no_ending"))) == ImageFormat::png);
  CHECK(load_image(here / "a.png") == image);
  for (const char* name : {"a.jpg", "a.JPEG"}) {
    write_image(here / name, image);
    CHECK(sniff_image_format(bytes_of(read_file(here / name))) == ImageFormat::jpeg);
    const Image read = load_image(here / name);
    REQUIRE(read.pixels.size() == image.pixels.size());
    int most = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      most = std::max(most, std::abs(read.pixels[i] - image.pixels[i]));
    CHECK(most <= 6);
  }
}

TEST_CASE("write_image: another ending is wrong usage") {
  for (const char* name : {"a.gif", "a.webp", "a.png.txt", "a.tar.bmp"}) {
    try {
      written_format(name);
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      CHECK(std::string(error.what()) ==
            std::string(name) +
                ": expected a name that ends in .png or .jpg, as pictures are written as PNG or JPEG");
    }
  }
  CHECK(written_format("/dev/stdout") == ImageFormat::png);
  CHECK(written_format("folder.gif/picture") == ImageFormat::png);
}

TEST_CASE("write_image: a JPEG has sides of at most 65,535 pixels") {
  TemporaryDirectory here;
  CHECK_THROWS_WITH_AS(
      write_image(here / "a.jpg", Image(65536, 1)),
      (here / "a.jpg: expected a picture of 1 to 65535 pixels a side for a JPEG, found 65536x1").c_str(),
      Error);
  CHECK(!std::filesystem::exists(here / "a.jpg"));
}

TEST_CASE("write_image: a JPEG that does not reach its disk is an error") {
  if (!std::filesystem::exists("/dev/full")) return;
  TemporaryDirectory here;
  std::filesystem::create_symlink("/dev/full", here / "full.jpg");
  CHECK_THROWS_WITH_AS(write_image(here / "full.jpg", ramp(64, 64)),
                       (here / "full.jpg: cannot be written: No space left on device").c_str(), Error);
}

}  // namespace la::test
