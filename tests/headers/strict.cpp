// All of la's headers, for a compiler that is told to be strict, see headers_test.sh.
#include "la/la.hpp"
#include "la/quantize/quantize.hpp"

int main() {
  return 0;
}
