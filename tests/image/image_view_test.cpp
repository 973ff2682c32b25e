#include <la/image/image_view.hpp>

#include <la/core/error.hpp>
#include <la/image/patches.hpp>
#include <la/image/resize.hpp>
#include <la/image/tiles.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "../support.hpp"

namespace la::test {
namespace {

std::uint8_t sample(i64 i) {
  return std::uint8_t((i * 2654435761 >> 7) % 256);
}

constexpr std::array kFormats{PixelFormat::rgb,  PixelFormat::bgr,  PixelFormat::rgba,
                              PixelFormat::bgra, PixelFormat::rgbx, PixelFormat::bgrx,
                              PixelFormat::grey, PixelFormat::nv12, PixelFormat::yuyv};

/// Rows of a plane, `padding` bytes between them, stored from the top or from the bottom. What lies between is noise, the
/// memory ends with the last row's last byte.
struct Plane {
  Plane(i64 row_bytes, i64 rows, i64 padding, bool bottom_up)
      : bytes(std::size_t(rows * (row_bytes + padding) - padding)), stride(row_bytes + padding) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::uint8_t(i * 31 + 7);
    if (bottom_up) {
      first = (rows - 1) * stride;
      stride = -stride;
    }
  }
  const std::uint8_t* top() const { return bytes.data() + first; }
  std::uint8_t& at(i64 y, i64 i) { return bytes[std::size_t(first + y * stride + i)]; }

  std::vector<std::uint8_t> bytes;
  i64 stride, first = 0;
};

/// BT.601 in limited range by its definition, in floating point.
std::array<std::uint8_t, 3> bt601(int y, int cb, int cr) {
  const double luma = (y - 16) / 219.0, b = (cb - 128) / 224.0, r = (cr - 128) / 224.0;
  const double red = luma + 2 * (1 - 0.299) * r, blue = luma + 2 * (1 - 0.114) * b;
  const double green = (luma - 0.299 * red - 0.114 * blue) / 0.587;
  const auto byte = [](double x) { return std::uint8_t(std::clamp(std::floor(x * 255 + 0.5), 0.0, 255.0)); };
  return {byte(red), byte(green), byte(blue)};
}

std::uint8_t on_white(int c, int alpha) {
  return std::uint8_t(std::lround((c * alpha + 255.0 * (255 - alpha)) / 255));
}

/// A picture in a format, and the same as RGB, each written pixel by pixel.
struct Frame {
  Frame(PixelFormat format, i64 width, i64 height, i64 padding, bool bottom_up)
      : first(row_bytes(format, width), height, padding, bottom_up),
        second(2 * ((width + 1) / 2), (height + 1) / 2, padding, bottom_up),
        expected(width, height) {
    view = ImageView(first.top(), width, height, first.stride, format);
    if (format == PixelFormat::nv12) {
      view.chroma = second.top();
      view.chroma_stride = second.stride;
    }
    for (i64 y = 0; y < height; ++y)
      for (i64 x = 0; x < width; ++x) set(format, x, y, expected.row(y) + 3 * x);
  }

  static i64 row_bytes(PixelFormat format, i64 width) {
    if (format == PixelFormat::grey || format == PixelFormat::nv12) return width;
    if (format == PixelFormat::yuyv) return 4 * ((width + 1) / 2);
    return width * (format == PixelFormat::rgb || format == PixelFormat::bgr ? 3 : 4);
  }

  void set(PixelFormat format, i64 x, i64 y, std::uint8_t* rgb) {
    const i64 place = y * expected.width + x;
    const auto colours = [&](int bytes, std::array<int, 3> order, bool alpha) {
      const std::uint8_t opacity = place % 5 == 0 ? 255 : sample(place + 77);
      for (int c = 0; c < 3; ++c) {
        const std::uint8_t value = sample(3 * place + c);
        first.at(y, bytes * x + order[std::size_t(c)]) = value;
        rgb[c] = alpha ? on_white(value, opacity) : value;
      }
      if (bytes == 4) first.at(y, 4 * x + 3) = opacity;
    };
    const i64 shared =
        y / (format == PixelFormat::nv12 ? 2 : 1) * 1000 + x / 2;  // the same for pixels of one chroma sample
    const std::uint8_t luma = sample(place), cb = sample(2 * shared + 5), cr = sample(2 * shared + 9);
    switch (format) {
      case PixelFormat::rgb:
        return colours(3, {0, 1, 2}, false);
      case PixelFormat::bgr:
        return colours(3, {2, 1, 0}, false);
      case PixelFormat::rgba:
        return colours(4, {0, 1, 2}, true);
      case PixelFormat::bgra:
        return colours(4, {2, 1, 0}, true);
      case PixelFormat::rgbx:
        return colours(4, {0, 1, 2}, false);
      case PixelFormat::bgrx:
        return colours(4, {2, 1, 0}, false);
      case PixelFormat::grey:
        first.at(y, x) = luma;
        std::fill_n(rgb, 3, luma);
        return;
      case PixelFormat::nv12:
        first.at(y, x) = luma;
        second.at(y / 2, x / 2 * 2) = cb;
        second.at(y / 2, x / 2 * 2 + 1) = cr;
        break;
      case PixelFormat::yuyv:
        first.at(y, x / 2 * 4 + x % 2 * 2) = luma;
        first.at(y, x / 2 * 4 + 1) = cb;
        first.at(y, x / 2 * 4 + 3) = cr;
        break;
    }
    std::ranges::copy(bt601(luma, cb, cr), rgb);
  }

  Plane first, second;
  ImageView view;
  Image expected;
};

template <class Check>
void for_each_frame(i64 width, i64 height, const Check& check) {
  for (const PixelFormat format : kFormats)
    for (const i64 padding : {0, 5})
      for (const bool bottom_up : {false, true}) {
        CAPTURE(name_of(format));
        CAPTURE(width);
        CAPTURE(height);
        CAPTURE(padding);
        CAPTURE(bottom_up);
        check(Frame(format, width, height, padding, bottom_up));
      }
}

std::string view_error(const ImageView& view) {
  try {
    (void)to_image(view);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("image view: every format, odd and even sides, padded and bottom-up rows") {
  for (const auto [width, height] : {std::array{1, 1}, {2, 2}, {7, 5}, {8, 3}, {33, 18}})
    for_each_frame(width, height, [](const Frame& frame) { CHECK(to_image(frame.view) == frame.expected); });
}

TEST_CASE("image view: BT.601 for every Y, Cb and Cr") {
  int differences = 0;
  for (int cb = 0; cb < 256; cb += 5)
    for (int cr = 0; cr < 256; cr += 5)
      for (int y = 0; y < 256; ++y) {
        const std::array<std::uint8_t, 4> group{std::uint8_t(y), std::uint8_t(cb), std::uint8_t(y),
                                                std::uint8_t(cr)};
        const Image pixel = to_image({group.data(), 1, 1, 4, PixelFormat::yuyv});
        for (std::size_t c = 0; c < 3; ++c) differences += pixel.pixels[c] != bt601(y, cb, cr)[c];
      }
  CHECK(differences == 0);
  const std::array<std::uint8_t, 4> black{16, 128, 235, 128};
  CHECK(to_image({black.data(), 2, 1, 4, PixelFormat::yuyv}).pixels ==
        std::vector<std::uint8_t>{0, 0, 0, 255, 255, 255});
}

TEST_CASE("image view: resize, crop and patches are those of the converted picture") {
  ProcessorConfig config;
  config.in_token_limit = 12;
  for_each_frame(61, 47, [&](const Frame& frame) {
    const Image& image = frame.expected;
    for (const auto [width, height] : {std::array{61, 47}, {20, 47}, {61, 20}, {61, 100}, {90, 31}})
      CHECK(resize_bicubic(frame.view, width, height) == resize_bicubic(image, width, height));
    CHECK(limit_side(frame.view, 40) == limit_side(image, 40));
    CHECK(crop(frame.view, {3, 5, 30, 46}) == crop(image, {3, 5, 30, 46}));
    CHECK(preprocess(frame.view, config).values == preprocess(image, config).values);
  });
  for_each_frame(56, 28, [&](const Frame& frame) {  // as large as the patches: no pass at all
    CHECK(preprocess(frame.view, {}).values == preprocess(frame.expected, {}).values);
  });
  for_each_frame(700, 9, [&](const Frame& frame) {  // more than a strip of columns
    CHECK(resize_bicubic(frame.view, 700, 4) == resize_bicubic(frame.expected, 700, 4));
  });
}

TEST_CASE("image view: chroma of nv12 follows its rows unless it is named") {
  std::vector<std::uint8_t> bytes(3 * 4 + 2 * 4);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = sample(i64(i));
  const ImageView joined(bytes.data(), 3, 3, 4, PixelFormat::nv12);
  ImageView named = joined;
  named.chroma = bytes.data() + 12;
  CHECK(to_image(joined) == to_image(named));
}

TEST_CASE("image view: what cannot be read is an error") {
  const std::array<std::uint8_t, 64> bytes{};
  const auto error = [&](i64 width, i64 height, i64 stride, PixelFormat format) {
    return view_error({bytes.data(), width, height, stride, format});
  };
  CHECK(view_error({}) == "picture: expected sides of 1 to 1073741824 pixels, found 0x0");
  CHECK(error(3, -1, 9, PixelFormat::rgb) == "picture: expected sides of 1 to 1073741824 pixels, found 3x-1");
  CHECK(view_error({nullptr, 2, 2, 6}) == "picture: expected 2x2 pixels, found a null pointer");
  CHECK(error(3, 2, 8, PixelFormat::rgb) ==
        "picture: stride: expected at least 9 bytes for rows of 3 pixels of rgb, found 8");
  CHECK(error(3, 2, 0, PixelFormat::grey) ==
        "picture: stride: expected at least 3 bytes for rows of 3 pixels of grey, found 0");
  CHECK(error(3, 2, -11, PixelFormat::bgra) ==
        "picture: stride: expected at least 12 bytes for rows of 3 pixels of bgra, found -11");
  CHECK(error(3, 1, 6, PixelFormat::yuyv) ==
        "picture: stride: expected at least 8 bytes for rows of 3 pixels of yuyv, found 6");
  CHECK(error(3, 1, 3, PixelFormat::nv12) ==
        "picture: chroma stride: expected at least 4 bytes for rows of 3 pixels of nv12, found 3");
  CHECK(error(4, 2, -4, PixelFormat::nv12) ==
        "picture: chroma: expected the second plane of nv12 rows that are stored bottom up, found a null "
        "pointer");
  CHECK(error(1, 1, 4, PixelFormat(9)) == "picture: expected a pixel format, found 9");
  CHECK_THROWS_AS((void)resize_bicubic(ImageView(), 4, 4), Error);
  CHECK_THROWS_AS((void)preprocess(ImageView(), {}), Error);
}

}  // namespace la::test
