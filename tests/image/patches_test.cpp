#include <la/image/patches.hpp>

#include <la/core/error.hpp>
#include <la/image/load.hpp>
#include <la/io/safetensors.hpp>

#include <simdjson.h>

#include <cstring>

#include "../support.hpp"

using namespace la::test;

namespace {

la::ProcessorConfig config_of(const std::string& checkpoint) {
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load(source(checkpoint + "/preprocessor_config.json"));
  la::ProcessorConfig config;
  if (std::int64_t limit; json["in_token_limit"].get(limit) == simdjson::SUCCESS)
    config.in_token_limit = limit;
  return config;
}

/// Every golden pixel_values of a checkpoint, compared bit by bit. Returns how many there were.
int check_pixel_values(const std::string& goldens, const std::string& checkpoint) {
  const la::ProcessorConfig config = config_of(checkpoint);
  simdjson::dom::parser parser;
  const simdjson::dom::array cases = parser.load(source(goldens + "/cases.json"));
  const auto tensors = la::SafetensorsFile::open(source(goldens + "/tensors.safetensors"));
  int found = 0;
  std::size_t k = 0;
  for (const simdjson::dom::element golden : cases) {
    const std::string image{std::string_view(golden["image"])};
    CAPTURE(image);
    const la::Patches patches = la::preprocess(la::load_image(source(goldens + "/images/" + image)), config);
    CHECK(patches.grid_h == golden["grid_hw"].at(0).get_int64());
    CHECK(patches.grid_w == golden["grid_hw"].at(1).get_int64());
    if (const la::StoredTensor* expected = tensors.find(std::to_string(k) + ".pixel_values")) {
      ++found;
      CHECK(expected->dtype == la::DType::f32);
      REQUIRE(expected->bytes.size() == patches.values.size() * sizeof(float));
      CHECK(std::memcmp(expected->bytes.data(), patches.values.data(), expected->bytes.size()) == 0);
    }
    ++k;
  }
  return found;
}

std::string size_error(la::i64 width, la::i64 height, const la::ProcessorConfig& config) {
  try {
    la::plan_size(width, height, config);
  } catch (const la::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("patches: golden pixel values of both checkpoints, bit for bit") {
  CHECK(check_pixel_values("tests/goldens/shapes", "data/shapes") > 0);
  CHECK(check_pixel_values("tests/goldens/odd", "tests/checkpoints/odd") > 0);
}

TEST_CASE("patches: sizes") {
  la::ProcessorConfig config;
  config.in_token_limit = 25600;
  la::SizePlan plan = la::plan_size(3840, 2160, config);
  CHECK(plan.width == 2996);
  CHECK(plan.height == 1708);
  CHECK(plan.grid_h * plan.grid_w == 26108);
  plan = la::plan_size(1, 1, config);
  CHECK(plan.limited_width == 1);
  CHECK(plan.width == 28);
  CHECK(plan.grid_h == 2);
  plan = la::plan_size(1, 3000, config);
  CHECK(plan.grid_w == 2);
  CHECK(plan.grid_h == 216);
  plan = la::plan_size(29, 28, config);
  CHECK(plan.width == 56);
  CHECK(plan.height == 28);
  config.merge = 3;
  CHECK(la::plan_size(29, 43, config).height == 84);
}

TEST_CASE("patches: sizes that cannot be are named") {
  la::ProcessorConfig config;
  CHECK(size_error(0, 5, config) == "picture: expected at least one pixel, found 0x5");
  CHECK(size_error(14, 7140, config) == "no error");
  CHECK(size_error(14, 7141, config) ==
        "picture of 14x7141 pixels: expected fewer than 512 patches a side, found 2x512");
  config.in_token_limit = 1;
  CHECK(size_error(14, 14 * 200, config) ==
        "picture of 14x2800 pixels: a side vanishes when it is scaled to in_token_limit 1");
  config.in_token_limit = 0;
  CHECK(size_error(14, 14, config).find("in_token_limit") != std::string::npos);
}

TEST_CASE("patches: layout and normalisation") {
  la::Image image(28, 28);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::uint8_t(i * 13 % 251);
  la::ProcessorConfig config;
  config.mean = {0.5f, 0.25f, 0.1f};
  config.std = {0.5f, 0.2f, 0.3f};
  const la::Patches patches = la::preprocess(image, config);
  REQUIRE(patches.values.size() == 28u * 28u * 3u);
  for (const auto& [x, y, c] : {std::array{0, 0, 0}, {13, 5, 1}, {14, 0, 2}, {3, 14, 0}, {27, 27, 2}}) {
    const int patch = y / 14 * 2 + x / 14;
    const float value = patches.values[((patch * 3 + c) * 14 + y % 14) * 14 + x % 14];
    CHECK(value == (float(image.row(y)[3 * x + c]) / 255.0f - config.mean[c]) / config.std[c]);
  }
}
