#define LA_KERNELS_NAMESPACE engine_test
#include "../../../kernels/qgemm/lanes_wasmrelaxed.hpp"
#undef LA_KERNELS_NAMESPACE

#include <vector>

#include "../../../kernels/dispatch.hpp"
#include "../../support.hpp"

namespace la::test {
namespace {

TEST_CASE("wasmrelaxed: what the engine does with 8 bits and with a multiply-add is found out, and used") {
  const RelaxedEngine engine = emulated_engine();
  const kernels::engine_test::RelaxedEngine found = kernels::engine_test::relaxed_engine(0);
  CHECK(found.fused == (engine != RelaxedEngine::pmaddubsw));
  CHECK(found.unsigned_bytes == (engine == RelaxedEngine::dpbusd));
  CHECK(found.signed_bytes == (engine == RelaxedEngine::sdot));

  const kernels::Table table = kernels::select_isa("wasmrelaxed");
  std::vector<kernels::Q8Block> weights(1);
  std::vector<std::int8_t> q(128, 1);
  for (auto& line : weights[0].q)
    for (int column = 0; column < 16; ++column)
      for (auto& byte : line[column]) byte = column % 2 == 0 ? 200 : 50;
  for (float& scale : weights[0].scale) scale = 1;
  std::vector<float> scratch(kernels::kGemmScratch), c(16);
  const float scale = 1, sum = 128;
  products_of_8_bits = 0;
  table.qgemm[kernels::PanelFormat::q8]({.a = {q.data(), &scale, &sum, 128, 1},
                                         .panels = weights.data(),
                                         .c = c.data(),
                                         .ldc = 16,
                                         .m = 1,
                                         .n = 16,
                                         .scratch = scratch.data()});
  CHECK(c[0] == 128 * (200 - 128));
  CHECK(c[1] == 128 * (50 - 128));
  CHECK((products_of_8_bits > 0) == (engine != RelaxedEngine::pmaddubsw));
}

}  // namespace
}  // namespace la::test
