#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../ops/all_ops.hpp"
#include "emulated_ops.hpp"

// The CUDA backend on the emulated card, op by op beside the others.
namespace la::test {

TEST_CASE("cuda: every op agrees with reference, exact path") {
  const auto ops = make_check_ops(make_emulated_ops(), make_reference_ops(0, ActivationFormat::f32), 5e-6);
  CHECK_NOTHROW(run_all_ops(*ops));
  CHECK_NOTHROW(run_attention(*ops));
}

}  // namespace la::test
