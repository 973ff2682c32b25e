#include <cstdio>
#include <limits>

#include "la/core/error.hpp"
#include "la/decoding/generation.hpp"
#include "la/io/json_write.hpp"
#include "la/text/special_tokens.hpp"

// What must still be told apart when the compiler is told that there are neither infinities nor NaN.
namespace {

int failures = 0;

void check(bool good, const char* what) {
  if (good) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

template <class Action>
bool throws(const Action& action) {
  try {
    action();
  } catch (const la::Error&) {
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char**) {
  // From bits, and through memory that the compiler does not see into.
  volatile std::uint32_t nan_bits = 0x7fc00000u, infinity_bits = 0x7f800000u;
  const float nan = la::float_of_bits(nan_bits), infinity = la::float_of_bits(infinity_bits),
              one = float(argc);
  check(la::is_nan(nan) && la::is_nan(double(nan)) && !la::is_nan(one) && !la::is_nan(infinity), "is_nan");
  check(!la::is_finite(nan) && !la::is_finite(-infinity) && la::is_finite(one), "is_finite");
  check(la::json_number(nan) == "null" && la::json_number(double(nan)) == "null", "JSON of NaN");
  check(la::json_number(infinity) == "null" && la::json_number(-double(infinity)) == "null",
        "JSON of infinities");
  check(la::json_number(one) == "1", "JSON of 1");

  la::GenerationOptions options;
  options.mode = la::Mode::slow;
  options.speculate = false;
  la::SpecialTokens special;
  special.box_start = 10, special.box_end = 11, special.ref_start = 12, special.ref_end = 13;
  special.none = 14, special.null = 15, special.end = 16, special.coord_first = 20, special.coord_last = 1020;
  const auto step = [&](float value) {
    la::Generation generation(special, options, {1, 2, 3}, 100);
    std::vector<float> logits(152'000, value);
    logits[7] = one + one;
    generation.accept(la::Matrix(logits.data(), {1, la::i64(logits.size())}));
  };
  check(throws([&] { step(nan); }), "logits that are NaN");
  check(!throws([&] { step(one); }), "logits that are finite");
  options.sampling.top_p = nan;
  check(throws([&] { step(one); }), "top_p that is NaN");
  return failures;
}
