#include <la/image/jpeg_segments.hpp>

#include "../support.hpp"
#include "image_files.hpp"

using namespace la::test;

namespace {

std::vector<unsigned> markers_of(const std::string& jpeg) {
  std::vector<unsigned> markers;
  std::size_t at = 0;
  while (const auto segment = la::next_jpeg_segment(bytes_of(jpeg), at)) markers.push_back(segment->marker);
  return markers;
}

std::string huffman_segment(const std::string& tables) {
  return "\xff\xc4" + big_endian(std::uint32_t(tables.size()) + 2, 2) + tables;
}

bool fits(const std::string& jpeg) {
  return la::huffman_table_fault(bytes_of(jpeg)) == nullptr;
}

}  // namespace

TEST_CASE("jpeg: segments are found across fill bytes and entropy-coded data") {
  const std::string start("\xff\xd8\xff\xff\xe1\x00\x04xy", 9);
  const std::string scan("\xff\xda\x00\x03.data\xff\x00\xff\xd3more\xff\xc4\x00\x02\xff\xd9\xff\xe1\x00\x02",
                         27);
  CHECK(markers_of(start + scan) == std::vector<unsigned>{0xe1, 0xda, 0xc4});
  CHECK(markers_of("") == std::vector<unsigned>{});
  CHECK(markers_of(std::string("\xff\xd8\xff\xe1\x00\x01\xff\xe2\x00\x02", 10)).empty());  // no such length
  std::size_t at = 0;
  const std::string cut("\xff\xe1\x01\x00xyz", 7);
  const auto segment = la::next_jpeg_segment(bytes_of(cut), at);
  REQUIRE(segment.has_value());
  CHECK(segment->length == 254);
  CHECK(segment->payload.size() == 3);
  CHECK(at == cut.size());
}

TEST_CASE("jpeg: Huffman tables of more than 256 codes are found wherever they are") {
  const std::string full =
      '\x10' + std::string("\xff\x01", 2) + std::string(14, '\0') + std::string(256, 'v');
  const std::string over =
      '\x10' + std::string("\xff\x02", 2) + std::string(14, '\0') + std::string(257, 'v');
  const std::string jpeg = make_jpeg(la::Image(8, 8));
  CHECK(fits(jpeg));
  CHECK(fits(huffman_segment(full)));
  CHECK_FALSE(fits(huffman_segment(over)));
  CHECK_FALSE(fits(huffman_segment(full + over)));
  CHECK_FALSE(fits(jpeg.substr(0, jpeg.size() - 2) + huffman_segment(over)));
  CHECK_FALSE(fits(std::string("\xff\xc4\x00\x03\x00", 5) + std::string(16, '\xff')));  // beyond its segment
  CHECK(fits("\xff\xc4"));
  CHECK(fits(huffman_segment("")));
}

TEST_CASE("jpeg: first coefficients of 8-bit pictures have at most 11 bits, the others are not concerned") {
  const auto table = [](char kind, char symbol) {
    return huffman_segment(kind + std::string("\x01\x01", 2) + std::string(14, '\0') + '\0' + symbol);
  };
  CHECK(fits(table('\0', 11)));
  CHECK_FALSE(fits(table('\0', 12)));
  CHECK_FALSE(fits(table('\x01', 12)));  // of the second identifier
  CHECK(fits(table('\x10', '\xfa')));
}
