#include "../../kernels/dispatch.hpp"
#include "../cli/program.hpp"

// The limit is measured on the instruction set of each row, by probes of their own; with weights of 8 bits also that of
// integers.
namespace la::test {

TEST_CASE("e2e: every instruction set of this machine has its limit") {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    CAPTURE(isa.name);
    const Outcome e2e = run({{std::string(LA_BUILD_ROOT) + "/benchmarks/e2e", "--model-dir",
                              source("data/shapes"), "--weights", "q8", "--isa", std::string(isa.name),
                              "--sizes", "84x56", "--max-tokens", "1", "--limit", "--json"}});
    CHECK(e2e.status == 0);
    CHECK(!contains(e2e.out, "\"error\""));
    const std::string key = "\"limit_seconds\":";
    REQUIRE(contains(e2e.out, key));
    const double limit = std::strtod(e2e.out.c_str() + e2e.out.find(key) + key.size(), nullptr);
    CHECK(limit > 0);
    CHECK(limit < 1);
  }
}

}  // namespace la::test
