// Compiled several times into one program, each time with other flags, see mixed_test.sh: what this file's kernels are.
#include "kernels/dispatch.hpp"

std::string LA_TEST_NAME();

std::string LA_TEST_NAME() {
  return std::string(la::kernels::built_in_isas().front().name) +
         (la::kernels::scalar_only_warning().empty() ? "" : ", warned");
}
