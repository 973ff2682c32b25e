// Takes the place of musl's, which turns the rounding mode to see what is lost: WebAssembly has only one.

#include <math.h>
#include <stdint.h>
#include <string.h>

float fmaf(float a, float b, float c) {
  const double product = (double)a * b, sum = product + c;
  // What the double's sum lost goes into its last bit (rounding to odd), which no half way between floats survives.
  const double rest = sum - product, lost = (product - (sum - rest)) + (c - rest);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (lost == 0 || lost != lost || (bits & 1)) return (float)sum;
  bits += (lost > 0) == (sum > 0) ? 1 : -1;
  double odd;
  memcpy(&odd, &bits, sizeof odd);
  return (float)odd;
}
