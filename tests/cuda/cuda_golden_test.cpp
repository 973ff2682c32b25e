#include "../model/golden_cases.hpp"
#include "emulated_ops.hpp"

// The goldens on the emulated card.
namespace la::test {
namespace {

SessionOptions emulated(ActivationFormat activations) {
  SessionOptions options;
  options.wrap_ops = [activations](std::unique_ptr<Ops>) { return make_emulated_ops(activations); };
  return options;
}

}  // namespace

TEST_CASE("cuda: pixel values, vision, projector and first logits match the goldens, exact path") {
  for (const Suite& suite : kSuites) check_stages(suite, make_emulated_ops());
}

TEST_CASE("cuda: every golden answer is reproduced token for token, exact path") {
  check_answers(emulated(ActivationFormat::f32));
}

}  // namespace la::test
