#include <sstream>

#include <doctest/doctest.h>

#define LA_DATA_DIR LA_SOURCE_ROOT "/data"
#include "examples/batch/summary.hpp"

// What batch says of its answers at the end: those cut short, those ended by the loop guard and those of which pieces
// could not be read are counted, each by name.
namespace la::cli {
namespace {

Result result(StopReason stop, bool found) {
  Result r;
  r.stop = stop;
  r.items.emplace_back().kind = found ? Item::Kind::box : Item::Kind::none;
  return r;
}

}  // namespace

TEST_CASE("batch summary: an answer cut short or looped is one even when it found something") {
  for (const bool found : {true, false}) {
    CHECK(outcome_of(result(StopReason::max_tokens, found)) == Outcome::truncated);
    CHECK(outcome_of(result(StopReason::loop, found)) == Outcome::looped);
  }
  CHECK(outcome_of(result(StopReason::eos, true)) == Outcome::found);
  CHECK(outcome_of(result(StopReason::eos, false)) == Outcome::none);
}

TEST_CASE("batch summary: every outcome is counted by its name") {
  Summary summary;
  summary.add(Outcome::found, false);
  summary.add(Outcome::found, true);
  summary.add(Outcome::none, true);
  summary.add(Outcome::truncated, false);
  for (int i = 0; i < 2; ++i) summary.add(Outcome::looped, false);
  summary.add(Outcome::bad_image, false);
  summary.before = 4;
  std::ostringstream text;
  summary.print(text, 1.5);
  CHECK(text.str() ==
        "6 answered (1 with nothing found, 1 truncated, 2 looped, 2 malformed), 1 failed (1 by the picture), "
        "4 answered before; 1.5 s\n");
}

}  // namespace la::cli
