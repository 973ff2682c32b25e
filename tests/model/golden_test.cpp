#include "../../kernels/dispatch.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../free_rows.hpp"
#include "golden_cases.hpp"

// The goldens on every backend and ISA.
namespace la::test {
namespace {

/// The backends of this machine: the reference, and every instruction set. $LA_TEST_ISA names one to try alone, for
/// emulators, where the others would take long.
std::vector<SessionOptions> backends() {
  if (const char* only = std::getenv("LA_TEST_ISA")) {
    SessionOptions options;
    options.isa = only;
    return {options};
  }
  std::vector<SessionOptions> all(1);
  all[0].backend = Backend::reference;
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    SessionOptions options;
    options.isa = isa.name;
    all.push_back(options);
  }
  return all;
}

}  // namespace

TEST_CASE("model: pixel values, vision, projector and first logits match the goldens on every backend") {
  for (const SessionOptions& options : backends())
    for (const Suite& suite : kSuites)
      check_stages(suite, options.backend == Backend::reference ? make_reference_ops()
                                                                : make_cpu_ops({0, options.isa}));
}

TEST_CASE("model: every golden answer is reproduced token for token, reference backend") {
  SessionOptions reference;
  reference.backend = Backend::reference;
  check_answers(reference);
}

TEST_CASE("model: every golden answer is reproduced token for token, every ISA") {
  for (const SessionOptions& options : backends())
    if (options.backend != Backend::reference) check_answers(options);
}

TEST_CASE("model: every golden answer is reproduced token for token, slow ones with drafts in every pass") {
  check_answers(free_rows());
}

TEST_CASE("model: cpu and reference agree op by op") {
  SessionOptions options;
  options.backend = Backend::check;
  for (const Suite& suite : kSuites) {
    const auto goldens = load_goldens(source(std::string("tests/goldens/") + suite.name));
    Session session = Session::open(source(suite.checkpoint), options);
    for (std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
      const EncodedImage image = session.encode(load_image(goldens[k].image));
      CHECK(session.ask(image, PromptText(goldens[k].question), goldens[k].options).token_ids ==
            goldens[k].answer_ids);
    }
  }
}

}  // namespace la::test
