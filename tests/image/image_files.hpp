#pragma once

#include <la/core/error.hpp>
#include <la/image/image.hpp>
#include <la/image/load.hpp>
#include <la/image/stb_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace la::test {

/// Whether the library under test decodes JPEG by libjpeg-turbo, else by stb_image.
#if defined(LA_WITH_JPEG)
inline constexpr bool kLibjpeg = true;
#else
inline constexpr bool kLibjpeg = false;
#endif

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += char(value >> (8 * i) & 0xff);
  return text;
}

inline std::string little_endian(std::uint32_t value, int bytes) {
  const std::string text = big_endian(value, bytes);
  return {text.rbegin(), text.rend()};
}

inline std::uint32_t crc32(const std::string& text) {
  std::uint32_t crc = ~0u;
  for (const unsigned char c : text) {
    crc ^= c;
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ ((crc & 1u) ? 0xedb88320u : 0u);
  }
  return ~crc;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  return big_endian(std::uint32_t(data.size()), 4) + type + data + big_endian(crc32(type + data), 4);
}

/// Deflate without compression; 65,535 bytes a block.
inline std::string zlib_stored(const std::string& data) {
  std::string out = "\x78\x01";
  std::uint32_t a = 1, b = 0;
  for (std::size_t at = 0; at < data.size(); at += 65535) {
    const std::string block = data.substr(at, 65535);
    const auto size = std::uint32_t(block.size());
    out += char(at + 65535 >= data.size());
    out += little_endian(size, 2) + little_endian(~size & 0xffff, 2) + block;
  }
  for (const unsigned char c : data) {
    a = (a + c) % 65521;
    b = (b + a) % 65521;
  }
  return out + big_endian(b << 16 | a, 4);
}

enum class PngColour : std::uint8_t { grey = 0, rgb = 2, palette = 3, grey_alpha = 4, rgba = 6 };

inline int channels_of(PngColour colour) {
  switch (colour) {
    case PngColour::rgb:
      return 3;
    case PngColour::grey_alpha:
      return 2;
    case PngColour::rgba:
      return 4;
    default:
      return 1;
  }
}

/// A PNG of this header whose data expands to `rows`; `extra`: chunks between the header and the data.
inline std::string png_of_rows(int width, int height, PngColour colour, int depth, bool interlaced,
                               const std::string& rows, const std::string& extra = "") {
  const std::string header = big_endian(width, 4) + big_endian(height, 4) + char(depth) + char(colour) +
                             std::string(2, '\0') + char(interlaced);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", zlib_stored(rows)) +
         png_chunk("IEND", "");
}

/// samples: the rows without their filter bytes, each from a byte on.
inline std::string make_png(int width, int height, PngColour colour, int depth, const std::string& samples,
                            const std::string& extra = "") {
  const std::size_t row = (std::size_t(width) * channels_of(colour) * depth + 7) / 8;
  std::string rows;
  for (int y = 0; y < height; ++y) rows += '\0' + samples.substr(y * row, row);
  return png_of_rows(width, height, colour, depth, false, rows, extra);
}

/// An interlaced PNG of 8-bit samples [height][width][channels]: seven passes, each with rows of its own.
inline std::string make_interlaced_png(int width, int height, PngColour colour, const std::string& samples) {
  struct Pass {
    int x, y, dx, dy;
  };
  std::string rows;
  for (const Pass& p :
       {Pass{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}})
    for (int y = p.y; y < height && p.x < width; y += p.dy) {
      rows += '\0';
      for (int x = p.x; x < width; x += p.dx)
        rows += samples.substr(std::size_t(y * width + x) * channels_of(colour), channels_of(colour));
    }
  return png_of_rows(width, height, colour, 8, true, rows);
}

/// The 54 bytes before the pixels of a BMP of 24 bits a pixel; stored from the top down when height is
/// negative.
inline std::string bmp_header(int width, int height, std::size_t data_size) {
  return "BM" + little_endian(54 + std::uint32_t(data_size), 4) + little_endian(0, 4) + little_endian(54, 4) +
         little_endian(40, 4) + little_endian(std::uint32_t(width), 4) +
         little_endian(std::uint32_t(height), 4) + little_endian(1, 2) + little_endian(24, 2) +
         std::string(24, '\0');
}

inline std::string make_bmp(int width, int height, const std::string& rgb) {
  const int rows = std::abs(height);
  std::string data;
  for (int y = 0; y < rows; ++y) {
    const int from = height < 0 ? y : rows - 1 - y;
    for (int x = 0; x < width; ++x)
      for (int c = 2; c >= 0; --c) data += rgb[(from * width + x) * 3 + c];
    data.append((4 - width * 3 % 4) % 4, '\0');
  }
  return bmp_header(width, height, data.size()) + data;
}

inline std::string make_jpeg(const Image& image, int quality = 100) {
  std::string out;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), std::size_t(size));
  };
  detail::stb_writer::stbi_write_jpg_to_func(append, &out, int(image.width), int(image.height), 3,
                                             image.pixels.data(), quality);
  return out;
}

inline std::string jpeg_segment(int marker, const std::string& payload) {
  return std::string("\xff") + char(marker) + big_endian(std::uint32_t(payload.size()) + 2, 2) + payload;
}

/// Entropy-coded data of these '0' and '1', filled up with ones.
inline std::string jpeg_data(std::string bits) {
  while (bits.size() % 8) bits += '1';
  std::string data;
  for (std::size_t at = 0; at < bits.size(); at += 8) {
    data += char(std::stoi(bits.substr(at, 8), nullptr, 2));
    if (data.back() == '\xff') data += '\0';
  }
  return data;
}

/// A JPEG of 8 lines, quantised by 1, of these Huffman tables and data; `extra`: segments after the quantisation.
inline std::string jpeg_of_scan(int components, const std::string& dc, const std::string& ac,
                                const std::string& data, const std::string& extra = "", int width = 8) {
  std::string frame = std::string("\x08\0\x08", 3) + big_endian(std::uint32_t(width), 2) + char(components);
  std::string scan(1, char(components));
  for (int c = 1; c <= components; ++c) {
    frame += {char(c), '\x11', '\0'};
    scan += {char(c), '\0'};
  }
  scan += std::string("\0\x3f\0", 3);
  return "\xff\xd8" + jpeg_segment(0xdb, std::string(1, '\0') + std::string(64, '\x01')) + extra +
         jpeg_segment(0xc0, frame) + jpeg_segment(0xc4, dc) + jpeg_segment(0xc4, ac) +
         jpeg_segment(0xda, scan) + data + "\xff\xd9";
}

/// A baseline JPEG of one 8 x 8 block a component, each of one value. `adobe_transform`: that of an Adobe segment
/// (0 none, 1 YCbCr, 2 YCCK), or -1 for no such segment.
inline std::string make_flat_jpeg(const std::vector<int>& components, int adobe_transform = -1) {
  // The first coefficient: twelve sizes, each a code of four bits. The others: one code, the end of the block.
  const std::string sizes("\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", 12);
  const std::string dc = std::string("\0\0\0\0\x0c", 5) + std::string(12, '\0') + sizes;
  const std::string ac = std::string("\x10\x01", 2) + std::string(16, '\0');
  std::string bits;
  for (const int value : components) {
    const int coefficient = (value - 128) * 8, magnitude = std::abs(coefficient);
    int size = 0;
    while (magnitude >> size) ++size;
    for (int b = 3; b >= 0; --b) bits += char('0' + (size >> b & 1));
    const int code = coefficient < 0 ? coefficient + (1 << size) - 1 : coefficient;
    for (int b = size - 1; b >= 0; --b) bits += char('0' + (code >> b & 1));
    bits += '0';  // the end of the block
  }
  std::string adobe;
  if (adobe_transform >= 0)
    adobe = jpeg_segment(0xee, std::string("Adobe\0\x64\0\0\0\0", 11) + char(adobe_transform));
  return jpeg_of_scan(int(components.size()), dc, ac, jpeg_data(bits), adobe);
}

/// The JPEG with an APP1 segment after its first marker.
inline std::string with_app1(const std::string& jpeg, const std::string& payload) {
  return jpeg.substr(0, 2) + "\xff\xe1" + big_endian(std::uint32_t(payload.size()) + 2, 2) + payload +
         jpeg.substr(2);
}

/// An EXIF block with its prefix, whose orientation is a SHORT or, as some phones write it, a LONG.
inline std::string exif_payload(int orientation, bool big, bool as_long = false) {
  const auto number = [&](std::uint32_t value, int bytes) {
    return big ? big_endian(value, bytes) : little_endian(value, bytes);
  };
  const std::string make = number(0x010f, 2) + number(2, 2) + number(3, 4) + std::string("la\0\0", 4);
  const std::string tag = number(0x0112, 2) + number(as_long ? 4 : 3, 2) + number(1, 4) +
                          (as_long ? number(std::uint32_t(orientation), 4)
                                   : number(std::uint32_t(orientation), 2) + number(0, 2));
  return std::string("Exif\0\0", 6) + (big ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) +
         make + tag + number(0, 4);
}

/// Of a picture called "picture"; "no error" where there is none.
inline std::string decode_error(const std::string& file, const LoadOptions& options = {}) {
  try {
    decode_image(bytes_of(file), "picture", options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace la::test
