#include <la/image/resize.hpp>

#include <la/core/error.hpp>
#include <la/image/patches.hpp>
#include <la/io/safetensors.hpp>

#include <simdjson.h>

#include <cstring>

#include "../support.hpp"

using namespace la::test;

namespace {

la::Image image_of(const la::StoredTensor& tensor) {
  REQUIRE(tensor.dtype == la::DType::u8);
  REQUIRE(tensor.shape.size() == 3);
  la::Image image(tensor.shape[1], tensor.shape[0]);
  REQUIRE(tensor.bytes.size() == image.pixels.size());
  std::memcpy(image.pixels.data(), tensor.bytes.data(), tensor.bytes.size());
  return image;
}

la::Image gradient(la::i64 width, la::i64 height) {
  la::Image image(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = std::uint8_t((i * 7 + i / 100) & 255);
  return image;
}

}  // namespace

TEST_CASE("resize: every golden picture has the golden bytes") {
  simdjson::dom::parser parser;
  const simdjson::dom::array cases = parser.load(source("tests/goldens/unit/resize_cases.json"));
  const auto tensors = la::SafetensorsFile::open(source("tests/goldens/unit/resize_cases.safetensors"));
  REQUIRE(cases.size() == 12);
  std::size_t k = 0;
  for (const simdjson::dom::element golden : cases) {
    CAPTURE(k);
    const la::StoredTensor* in = tensors.find(std::to_string(k) + ".input");
    const la::StoredTensor* out = tensors.find(std::to_string(k) + ".resized");
    REQUIRE(in != nullptr);
    REQUIRE(out != nullptr);
    const la::Image image = image_of(*in), expected = image_of(*out);
    la::ProcessorConfig config;
    config.in_token_limit = golden["in_token_limit"].get_int64();
    const la::SizePlan plan = la::plan_size(image.width, image.height, config);
    CHECK(plan.grid_h == golden["grid_hw"].at(0).get_int64());
    CHECK(plan.grid_w == golden["grid_hw"].at(1).get_int64());
    const la::Image limited = la::resize_bicubic(image, plan.limited_width, plan.limited_height);
    CHECK(la::resize_bicubic(limited, plan.width, plan.height) == expected);
    ++k;
  }
}

TEST_CASE("resize: the same size changes nothing, a flat picture stays flat") {
  const la::Image image = gradient(31, 17);
  CHECK(la::resize_bicubic(image, 31, 17) == image);
  la::Image flat(5, 3);
  for (auto& value : flat.pixels) value = 201;
  for (const auto& [w, h] : {std::pair{1, 1}, {50, 1}, {3, 200}, {28, 28}}) {
    const la::Image resized = la::resize_bicubic(flat, w, h);
    CHECK(resized.width == w);
    CHECK(resized.height == h);
    for (const auto value : resized.pixels) REQUIRE(value == 201);
  }
}

TEST_CASE("resize: extreme shapes") {
  CHECK(la::resize_bicubic(gradient(1, 3000), 28, 3024).pixels.size() == 28u * 3024u * 3u);
  CHECK(la::resize_bicubic(gradient(3000, 1), 1, 1).pixels.size() == 3);
  CHECK(la::resize_bicubic(gradient(1, 1), 640, 480).row(479)[0] == gradient(1, 1).pixels[0]);
  CHECK_THROWS_WITH_AS(la::resize_bicubic(gradient(4, 4), 0, 4),
                       "resize: expected sides of at least 1, found 4x4 to 0x4", la::Error);
  CHECK_THROWS_AS(la::resize_bicubic(la::Image(), 4, 4), la::Error);
}

TEST_CASE("resize: limit_side scales the longer side to the limit") {
  const auto limited = [](la::i64 w, la::i64 h, la::i64 side) {
    const la::Image image = la::limit_side(gradient(w, h), side);
    return std::pair{image.width, image.height};
  };
  CHECK(limited(400, 300, 400) == std::pair<la::i64, la::i64>{400, 300});
  CHECK(limited(400, 300, 100) == std::pair<la::i64, la::i64>{100, 75});
  CHECK(limited(300, 400, 399) == std::pair<la::i64, la::i64>{299, 399});
  CHECK(limited(200, 5, 100) == std::pair<la::i64, la::i64>{100, 2});  // 2.5: half to even
  CHECK(limited(2000, 1, 10) == std::pair<la::i64, la::i64>{10, 1});
  CHECK(la::limit_side(gradient(400, 300), 100) == la::resize_bicubic(gradient(400, 300), 100, 75));
  CHECK_THROWS_WITH_AS(la::limit_side(gradient(2, 2), 0), "maximum image side: expected at least 1, found 0",
                       la::Error);
}
