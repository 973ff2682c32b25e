#include <la/image/load.hpp>

#include <la/core/error.hpp>

#include <fstream>

#include "../support.hpp"
#include "image_files.hpp"

using namespace la::test;

namespace {

la::Image decode(const std::string& file, const la::LoadOptions& options = {}) {
  return la::decode_image(bytes_of(file), "picture", options);
}

std::vector<int> pixels_of(const std::string& file) {
  const la::Image image = decode(file);
  return {image.pixels.begin(), image.pixels.end()};
}

using Pixels = std::vector<int>;

}  // namespace

TEST_CASE("load: colour types of PNG become RGB") {
  CHECK(pixels_of(make_png(2, 1, PngColour::rgb, 8, "\x01\x02\x03\xff\xfe\xfd")) ==
        Pixels{1, 2, 3, 255, 254, 253});
  CHECK(pixels_of(make_png(2, 1, PngColour::grey, 8, "\x07\xc8")) == Pixels{7, 7, 7, 200, 200, 200});
  CHECK(pixels_of(make_png(1, 1, PngColour::rgb, 16, "\x12\xff\x34\x80\x56\x7f")) ==
        Pixels{0x12, 0x34, 0x56});
  CHECK(pixels_of(make_png(2, 1, PngColour::grey, 16, "\x80\xff\x01\xff")) == Pixels{128, 128, 128, 1, 1, 1});
}

TEST_CASE("load: samples of 1, 2 and 4 bits") {
  CHECK(pixels_of(make_png(3, 1, PngColour::grey, 1, "\xa0")) ==
        Pixels{255, 255, 255, 0, 0, 0, 255, 255, 255});
  CHECK(pixels_of(make_png(2, 1, PngColour::grey, 2, "\x60")) == Pixels{85, 85, 85, 170, 170, 170});
  CHECK(pixels_of(make_png(2, 1, PngColour::grey, 4, "\x1f")) == Pixels{17, 17, 17, 255, 255, 255});
  const std::string palette = png_chunk("PLTE", std::string("\x01\x02\x03\x04\x05\x06", 6));
  CHECK(pixels_of(make_png(2, 1, PngColour::palette, 1, "\x40", palette)) == Pixels{1, 2, 3, 4, 5, 6});
}

TEST_CASE("load: a palette's index beyond its colours, and a palette that is not there") {
  const std::string palette = png_chunk("PLTE", std::string("\x01\x02\x03", 3));
  const std::string beyond =
      decode_error(make_png(2, 1, PngColour::palette, 8, std::string("\0\xff", 2), palette));
  CHECK((beyond == "no error" || beyond.starts_with("picture: ")));
  CHECK(decode_error(make_png(1, 1, PngColour::palette, 8, std::string(1, '\0')))
            .starts_with("picture: damaged"));
}

TEST_CASE("load: interlaced PNG") {
  for (const auto& [width, height] : {std::pair{1, 1}, {2, 3}, {5, 1}, {9, 17}}) {
    std::string samples;
    for (int i = 0; i < width * height * 3; ++i) samples += char(i * 7 % 251);
    const la::Image image = decode(make_interlaced_png(width, height, PngColour::rgb, samples));
    CHECK(std::string(image.pixels.begin(), image.pixels.end()) == samples);
  }
}

TEST_CASE("load: JPEG of one, three and four components") {
  const auto colour = [](const std::string& file) {
    const la::Image image = decode(file);
    REQUIRE(image.width == 8);
    REQUIRE(image.height == 8);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) REQUIRE(image.pixels[i] == image.pixels[i % 3]);
    return Pixels(image.pixels.begin(), image.pixels.begin() + 3);
  };
  CHECK(colour(make_flat_jpeg({77})) == Pixels{77, 77, 77});
  CHECK(colour(make_flat_jpeg({100, 128, 128})) == Pixels{100, 100, 100});  // YCbCr
  CHECK(colour(make_flat_jpeg({10, 20, 30}, 0)) == Pixels{10, 20, 30});     // RGB, as Adobe marks it
  // CMYK as Adobe stores it, inverted: each channel times black.
  CHECK(colour(make_flat_jpeg({255, 0, 128, 255}, 0)) == Pixels{255, 0, 128});
  CHECK(colour(make_flat_jpeg({255, 200, 100, 51}, 0)) == Pixels{51, 40, 20});
  const Pixels ycck = colour(make_flat_jpeg({100, 128, 128, 255}, 2));
  CHECK(ycck == Pixels{155, 155, 155});  // YCCK is the inverse of that
}

TEST_CASE("load: alpha of any kind is blended on white") {
  // t = 100*128 + 255*127 + 128 = 45313; ((t>>8)+t)>>8 = 177
  CHECK(pixels_of(make_png(1, 1, PngColour::rgba, 8, "\x64\x64\xff\x80")) == Pixels{177, 177, 255});
  CHECK(pixels_of(make_png(3, 1, PngColour::grey_alpha, 8, std::string("\x64\x80\x64\x00\x64\xff", 6))) ==
        Pixels{177, 177, 177, 255, 255, 255, 100, 100, 100});
  CHECK(pixels_of(make_png(1, 1, PngColour::rgba, 16, "\x64\x01\x64\x02\xff\x03\x80\x04")) ==
        Pixels{177, 177, 255});
  const std::string palette = png_chunk("PLTE", std::string("\x64\x64\xff\x00\x01\x02", 6));
  CHECK(pixels_of(make_png(2, 1, PngColour::palette, 8, std::string("\x00\x01", 2), palette)) ==
        Pixels{100, 100, 255, 0, 1, 2});
  CHECK(pixels_of(make_png(2, 1, PngColour::palette, 8, std::string("\x00\x01", 2),
                           palette + png_chunk("tRNS", "\x80"))) == Pixels{177, 177, 255, 0, 1, 2});
  CHECK(pixels_of(
            make_png(2, 1, PngColour::grey, 8, "\x10\x20", png_chunk("tRNS", std::string("\x00\x10", 2)))) ==
        Pixels{255, 255, 255, 32, 32, 32});
  for (unsigned c = 0; c < 256; ++c) {
    CHECK(la::blend_on_white(std::uint8_t(c), 255) == c);
    CHECK(la::blend_on_white(std::uint8_t(c), 0) == 255);
  }
}

TEST_CASE("load: BMP, stored either way up") {
  const std::string rgb("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", 12);
  const Pixels expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  CHECK(pixels_of(make_bmp(2, 2, rgb)) == expected);
  CHECK(pixels_of(make_bmp(2, -2, rgb)) == expected);
}

TEST_CASE("load: a JPEG at full quality keeps flat colours") {
  la::Image flat(24, 17);
  for (std::size_t i = 0; i < flat.pixels.size(); ++i) flat.pixels[i] = std::uint8_t(i % 3 == 0 ? 200 : 90);
  const la::Image image = decode(make_jpeg(flat));
  REQUIRE(image.width == 24);
  REQUIRE(image.height == 17);
  for (std::size_t i = 0; i < flat.pixels.size(); ++i)
    REQUIRE(std::abs(image.pixels[i] - flat.pixels[i]) <= 2);
}

TEST_CASE("load: extreme shapes") {
  CHECK(pixels_of(make_png(1, 1, PngColour::rgb, 8, "abc")) == Pixels{'a', 'b', 'c'});
  std::string column;
  for (int y = 0; y < 3000; ++y) column += {char(y), char(y >> 8), 'x'};
  const la::Image tall = decode(make_png(1, 3000, PngColour::rgb, 8, column));
  CHECK(tall.width == 1);
  CHECK(tall.height == 3000);
  CHECK(std::string(tall.pixels.begin(), tall.pixels.end()) == column);
}

TEST_CASE("load: a picture of 1x20000") {
  std::string column;
  for (int y = 0; y < 20000; ++y) column += char(y);
  const la::Image tall = decode(make_png(1, 20000, PngColour::grey, 8, column));
  CHECK(tall.height == 20000);
  CHECK(tall.row(19999)[2] == std::uint8_t(19999));
  const la::Image wide = decode(make_png(20000, 1, PngColour::grey, 8, column));
  CHECK(wide.width == 20000);
  CHECK(wide.row(0)[3 * 300] == std::uint8_t(300));
}

TEST_CASE("load: a file on disk equals its bytes; messages start with the path") {
  const std::string path = source("tests/goldens/shapes/images/00.png");
  CHECK(la::load_image(path) == decode(read_file(path)));
  TemporaryDirectory directory;
  CHECK_THROWS_WITH_AS(la::load_image(directory / "missing.png"),
                       (directory / "missing.png: No such file or directory").c_str(), la::Error);
  CHECK_THROWS_WITH_AS(la::load_image(directory.str()),
                       (directory.str() + ": expected a regular file").c_str(), la::Error);
  std::ofstream(directory / "empty.jpg").close();
  CHECK_THROWS_WITH_AS(
      la::load_image(directory / "empty.jpg"),
      (directory / "empty.jpg: expected a picture (" + la::decodable_formats() + "), found an empty file")
          .c_str(),
      la::Error);
}

TEST_CASE("load: a file cut short anywhere is refused") {
  la::Image noise(40, 33);
  for (std::size_t i = 0; i < noise.pixels.size(); ++i) noise.pixels[i] = std::uint8_t(i * i * 31 >> 3);
  const std::string samples(noise.pixels.begin(), noise.pixels.end());
  for (const std::string& file : {make_jpeg(noise, 80), make_png(40, 33, PngColour::rgb, 8, samples),
                                  make_bmp(40, 33, samples), make_bmp(40, -33, samples)}) {
    REQUIRE(decode_error(file) == "no error");
    for (std::size_t size = 0; size < file.size(); ++size) {
      const std::string error = decode_error(file.substr(0, size));
      CAPTURE(size);
      CAPTURE(error);
      // libjpeg needs no end marker where all data is there.
      const bool complete = kLibjpeg && file[0] == '\xff' && size + 2 >= file.size();
      REQUIRE((error.starts_with("picture: ") || complete));
      if (size > file.size() / 2 && size < file.size() - 2)
        REQUIRE(error.find("truncated") != std::string::npos);
    }
  }
}

TEST_CASE("load: damaged files are refused or decoded, never a crash") {
  const std::string png = make_png(4, 4, PngColour::rgb, 8, std::string(48, 'x'));
  for (const std::string& file : {png, make_bmp(5, 5, std::string(75, 'y')), make_jpeg(la::Image(9, 9))})
    for (std::size_t at = 0; at < std::min<std::size_t>(file.size(), 700); ++at)
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = file;
        damaged[at] = char(damaged[at] ^ flip);
        const std::string error = decode_error(damaged, {.max_pixels = 1 << 16});
        REQUIRE((error == "no error" || error.starts_with("picture: ")));
      }
}

TEST_CASE("load: JPEG tables that are too large or missing are safe") {
  std::string jpeg = make_jpeg(la::Image(9, 9));
  const std::size_t table = jpeg.find("\xff\xc4");
  REQUIRE(table != std::string::npos);
  std::string large = jpeg;
  for (std::size_t i = 0; i < 16; ++i) large[table + 5 + i] = '\xff';
  CHECK(decode_error(large) == (kLibjpeg
                                    ? "picture: damaged or unsupported JPEG: Bogus Huffman table definition"
                                    : "picture: damaged JPEG: a Huffman table has more than 256 codes"));
  for (std::size_t at = table; at != std::string::npos; at = jpeg.find("\xff\xc4"))
    jpeg[at + 1] = '\xfe';  // a comment
  REQUIRE(decode_error(jpeg) != "");
}

// What the decoder must not do then, shift by more bits than there are or overflow, shows under
// UndefinedBehaviorSanitizer only.
TEST_CASE("load: a JPEG whose data ends within a value") {
  // Of 32 bits one says that the first coefficient has 11, sixteen that the next has 15: there are 4 left.
  const std::string dc = std::string("\0\x01", 2) + std::string(15, '\0') + '\x0b';
  const std::string ac = '\x10' + std::string(15, '\0') + "\x01\x0f";
  CHECK(decode_error(jpeg_of_scan(1, dc, ac, std::string(4, '\0'))) ==
        (kLibjpeg ? "picture: damaged or unsupported JPEG: Corrupt JPEG data: premature end of data segment"
                  : "no error"));
}

TEST_CASE("load: a JPEG whose coefficients grow beyond what a picture can have") {
  // Of each block 13 bits: the first coefficient is 2047 more than that of the block before, the others are none.
  const std::string dc = std::string("\0\x01", 2) + std::string(15, '\0') + '\x0b';
  const std::string ac = std::string("\x10\x01", 2) + std::string(15, '\0') + '\0';
  std::string bits;
  for (int block = 0; block < 64; ++block) bits += "0" + std::string(11, '1') + "0";
  const std::string widest = jpeg_segment(0xdb, '\x10' + std::string(128, '\xff'));
  CHECK(decode_error(jpeg_of_scan(1, dc, ac, jpeg_data(bits), widest, 64 * 8)) == "no error");
  const std::string sixteen = std::string("\0\x01", 2) + std::string(15, '\0') + '\x0f';
  CHECK(decode_error(jpeg_of_scan(1, sixteen, ac, jpeg_data(bits))) ==
        (kLibjpeg ? "picture: damaged or unsupported JPEG: Corrupt JPEG data: bad Huffman code"
                  : "picture: damaged JPEG: a Huffman table has first coefficients of more than 11 bits"));
}

TEST_CASE("load: limits are checked before decoding") {
  const std::string png = make_png(40, 30, PngColour::grey, 8, std::string(1200, 'x'));
  CHECK(decode_error(png, {.max_pixels = 1200}) == "no error");
  CHECK(decode_error(png, {.max_pixels = 1199}) ==
        "picture: too large: expected at most 1199 pixels, found 40x30");
  CHECK(decode_error(png, {.max_file_bytes = 100})
            .starts_with("picture: too large: expected at most 100 bytes, found "));
  const std::string header = png.substr(0, 16) + big_endian(20000, 4) + big_endian(20000, 4) + png.substr(24);
  CHECK(decode_error(header) == "picture: too large: expected at most 268435456 pixels, found 20000x20000");
  CHECK(decode_error(bmp_header(1 << 20, -(1 << 20), 0)).find("found 1048576x1048576") != std::string::npos);
  CHECK(decode_error(bmp_header(3, -0x7fffffff - 1, 0)).starts_with("picture: "));
  CHECK(decode_error(bmp_header(-3, 3, 0)).starts_with("picture: "));
  CHECK(decode_error(bmp_header(0, 4, 0)) == "picture: expected a picture, found 0x4 pixels");
}

TEST_CASE("load: a file that cannot hold its pixels is refused before they are allocated") {
  // 16000 x 16000 pixels are within the limit, and would be 2.4 GB while a JPEG of them is decoded.
  const std::string png = make_png(1, 1, PngColour::rgb, 8, "abc");
  const std::string large = png.substr(0, 16) + big_endian(16000, 4) + big_endian(16000, 4) + png.substr(24);
  CHECK(decode_error(large) ==
        "picture: truncated PNG, " + std::to_string(large.size()) + " bytes cannot hold 16000x16000 pixels");
  CHECK(decode_error(bmp_header(16000, 16000, 0)) ==
        "picture: truncated BMP, 54 bytes cannot hold 16000x16000 pixels");
  std::string jpeg = make_flat_jpeg({77});
  jpeg.replace(jpeg.find("\xff\xc0") + 5, 4, big_endian(16000, 2) + big_endian(16000, 2));
  CHECK(decode_error(jpeg) ==
        "picture: truncated JPEG, " + std::to_string(jpeg.size()) + " bytes cannot hold 16000x16000 pixels");
}

TEST_CASE("load: PNG data that expands beyond its pixels is refused") {
  const std::string bomb = png_of_rows(1, 1, PngColour::rgb, 8, false, std::string(1'000'000, '\0'));
  CHECK(decode_error(bomb) ==
        "no error");  // as much as the file itself has: more rows than needed are passed over
  // Deflate of zeros: one literal, then copies of 258 bytes, thirteen bits each.
  std::string bits = "11000110000";  // the last block, of fixed codes, and the literal 0
  for (int i = 0; i < 100'000; ++i) bits += "1100010100000";  // length 258, distance 1
  bits += "0000000";
  std::string data("\x78\x01", 2);
  for (std::size_t at = 0; at < bits.size(); at += 8) {
    int byte = 0;
    for (std::size_t b = 0; b < 8 && at + b < bits.size(); ++b) byte |= (bits[at + b] - '0') << b;
    data += char(byte);
  }
  const std::string header = big_endian(1, 4) + big_endian(1, 4) + std::string("\x08\x02\0\0\0", 5);
  const std::string expanding =
      "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", data) + png_chunk("IEND", "");
  CHECK(expanding.size() < 200'000);  // 25.8 MB expanded
  CHECK(decode_error(expanding) == "picture: damaged PNG: more data than its pixels take");
}

TEST_CASE("load: a PNG chunk that claims more than the file has is refused without its memory") {
  const std::string png = make_png(2, 2, PngColour::rgb, 8, "abcdefabcdef");
  const std::size_t data = png.find("IDAT");
  const std::string claimed = png.substr(0, data - 4) + big_endian(0x3fffffff, 4) + png.substr(data);
  CHECK(decode_error(claimed) == "picture: truncated PNG, " + std::to_string(claimed.size()) + " bytes");
}

// What the decoder must not do then, copy to nowhere, shows under UndefinedBehaviorSanitizer only.
TEST_CASE("load: a PNG may have chunks of data without any") {
  const std::string png = make_png(2, 2, PngColour::rgb, 8, "abcdefabcdef"), none = png_chunk("IDAT", "");
  const std::size_t data = png.find("IDAT") - 4, end = png.find("IEND") - 4;
  const std::string padded =
      png.substr(0, data) + none + png.substr(data, end - data) + none + png.substr(end);
  CHECK(decode(padded).pixels == decode(png).pixels);
  CHECK(decode_error(png.substr(0, data) + none + png.substr(end)) ==
        "picture: damaged or unsupported PNG: no IDAT");
}

TEST_CASE("load: a PNG of Apple's own variant is refused: its red is blue") {
  const std::string png = make_png(1, 1, PngColour::rgb, 8, "abc");
  CHECK(decode_error(png.substr(0, 8) + png_chunk("CgBI", "\x50\0\x20\x02") + png.substr(8)) ==
        "picture: a PNG in Apple's own variant (CgBI), whose colours are stored another way: expected a "
        "standard PNG");
}

TEST_CASE("load: a run-length encoded BMP is refused for what it is") {
  for (const auto& [compression, reason] :
       {std::pair{1, "a run-length encoded BMP"}, {2, "a run-length encoded BMP"}, {4, "a compressed BMP"}}) {
    std::string bmp = make_bmp(2, 2, std::string(12, 'x'));
    bmp[30] = char(compression);
    CHECK(decode_error(bmp) ==
          std::string("picture: ") + reason + ": expected one with its pixels as they are");
  }
}

TEST_CASE("load: a PNG cut short in a chunk or between two is truncated") {
  const std::string png = make_png(2, 2, PngColour::rgb, 8, "abcdefabcdef");
  for (std::size_t size = 33; size + 12 < png.size(); ++size)
    REQUIRE(decode_error(png.substr(0, size)) ==
            "picture: truncated PNG, " + std::to_string(size) + " bytes");
}

TEST_CASE("load: a JPEG of very many scans is refused") {
  const std::string jpeg = make_flat_jpeg({77});
  const std::size_t scan = jpeg.find("\xff\xda");
  std::string many = jpeg.substr(0, scan);
  for (int i = 0; i < 101; ++i) many += jpeg.substr(scan, jpeg.size() - 2 - scan);
  CHECK(decode_error(many + "\xff\xd9") == "picture: expected a JPEG of at most 100 scans, found 101");
}

TEST_CASE("load: what is left of one picture's failure does not reach the next") {
  CHECK(decode_error(make_png(1, 1, PngColour::palette, 8, "x")) != "no error");
  CHECK(decode_error(make_png(2, 2, PngColour::rgb, 8, "abcdefabcdef")) == "no error");
}

TEST_CASE("load: the bytes of a file have the file's pixels") {
  const std::string path = la::test::source("data/pictures/shapes.png");
  const std::string file = read_file(path);
  CHECK(la::load_image(bytes_of(file)) == la::load_image(path));
  CHECK_THROWS_WITH_AS(la::load_image(bytes_of(file.substr(0, 100))),
                       doctest::Contains("picture: truncated PNG"), la::Error);
  CHECK_THROWS_AS(la::load_image(std::span<const std::byte>()), la::Error);
  la::LoadOptions small;
  small.max_file_bytes = 99;
  CHECK_THROWS_WITH_AS(la::load_image(bytes_of(file), small),
                       doctest::Contains("picture: too large: expected at most 99 bytes"), la::Error);
}
