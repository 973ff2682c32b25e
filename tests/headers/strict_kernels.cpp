// The headers that differ by the set of instructions, see headers_test.sh.
#include "kernels/dispatch.hpp"

int main() {
  return 0;
}
