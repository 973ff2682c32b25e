#include <doctest/doctest.h>

#include "benchmarks/model_arithmetic.hpp"

namespace la::bench {
namespace {

TEST_CASE("model arithmetic: counted by hand on a model of a few numbers") {
  ModelConfig config;
  config.vision.hidden_size = 8;
  config.vision.intermediate_size = 10;
  config.vision.layers = 3;
  config.vision.patch_size = 2;
  config.vision.merge = 2;
  config.text.hidden_size = 16;
  config.text.intermediate_size = 20;
  config.text.layers = 4;
  config.text.kv_heads = 1;
  config.text.head_dim = 4;

  // q, k, v, o of 8 x 8 and two of 8 x 10 in three layers, 12 pixels to 8; of four patches one row of 32 to 16 to 16
  const Arithmetic vision = vision_arithmetic(config, 4);
  CHECK(vision.products == 2 * (4 * (3 * (256 + 160) + 12 * 8) + (32 * 16 + 16 * 16)));
  CHECK(vision.attention == 2 * 3 * (16 * 8 + 16 * 8));

  // q, o of 16 x 16 and three of 16 x 20 in three layers, k and v of 16 x 4 in four; 1 + 2 + 3 keys
  const Arithmetic prefill = prefill_arithmetic(config, 3);
  CHECK(prefill.products == 2 * 3 * (3 * (512 + 960) + 4 * 128));
  CHECK(prefill.attention == 2 * 3 * (6 * 16 + 6 * 16));
}

}  // namespace
}  // namespace la::bench
