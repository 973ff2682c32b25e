#include "program.hpp"

#include "../../la/session/memory.hpp"

// The estimate of what a run takes, and the limit that is held against it.
namespace la::test {
namespace {

const std::string kImage = source("data/pictures/shapes.png");

/// The number behind `before` in the line of the estimate.
double told_megabytes(const std::string& text, const std::string& before) {
  const std::size_t line = text.find("memory"), at = text.find(before, line);
  REQUIRE_MESSAGE(at != std::string::npos, text);
  return std::stod(text.substr(at + before.size()));
}

}  // namespace

TEST_CASE("memory: --dry tells an estimate by part, whose sum is the total") {
  const Outcome dry = ground({"--dry", "--image", kImage});
  REQUIRE(dry.status == 0);
  const double total = told_megabytes(dry.out, "picture of 224x168, ");
  const double weights = told_megabytes(dry.out, "weights "), loading = told_megabytes(dry.out, "MB (");
  const double cache = told_megabytes(dry.out, "keys and values "),
               work = told_megabytes(dry.out, "workspace ");
  const double encoding = told_megabytes(dry.out, "(before them ");
  const double image = told_megabytes(dry.out, ", picture "), program = told_megabytes(dry.out, "tokenizer ");
  CHECK(std::abs(std::max(loading, weights + std::max(cache, encoding) + work) + image + program - total) <
        0.4);  // rounding
  const std::uintmax_t file = std::filesystem::file_size(source("data/shapes/model.safetensors"));
  CHECK(weights == doctest::Approx(double(file) / 1e6).epsilon(0.1));
  const Outcome wide = ground({"--dry", "--image", kImage, "--weights", "f32"});
  CHECK(told_megabytes(wide.out, "weights ") > 1.8 * weights);
}

// Sanitizers keep memory of their own.
#if !defined(LA_SANITIZED)
TEST_CASE("memory: a run takes about what was estimated") {
  for (const char* format : {"auto", "f32", "q8"}) {
    CAPTURE(format);
    const std::vector<std::string> arguments{"--image", kImage, "--weights", format, "--threads", "2"};
    std::vector<std::string> dry = arguments;
    dry.push_back("--dry");
    const double estimate = told_megabytes(ground(dry).out, "picture of 224x168, ");
    const Outcome run = ground(arguments);
    REQUIRE(run.status == 0);
    // A process starts with the peak of the one that started it, which is small unless other tests ran in it.
    rusage own{};
    ::getrusage(RUSAGE_SELF, &own);
    if (run.peak_bytes <= std::size_t(own.ru_maxrss) * 1024) {
      MESSAGE("skipped: this process is the larger one; run the file alone");
      return;
    }
    const double ratio = estimate * 1e6 / double(run.peak_bytes);
    CHECK(ratio > 0.9);
    CHECK(ratio < 2);  // what no part of such a small model explains is code and libraries, which are a guess
  }
}
#endif

TEST_CASE("memory: --max-memory refuses before anything is loaded, and tells both numbers") {
  const Outcome refused = ground({"--image", kImage, "--max-memory", "2MB"});
  CHECK(refused.status == 1);
  CHECK(refused.out.empty());
  CHECK(refused.last_error().find("ground: --max-memory: expected at most 2.0 MB, found ") == 0);
  CHECK(told_megabytes(refused.last_error(), "found ") > 2);
  CHECK(ground({"--image", kImage, "--max-memory", "2000000"}).status == 1);
  CHECK(ground({"--image", kImage, "--dry", "--max-memory", "2MB"}).status == 1);
  CHECK(ground({"--image", kImage, "--max-memory", "1GB"}).status == 0);
  for (const char* wrong : {"much", "-1", "0", "5KB", "5 MB", "99999999999999999999", "99999999999GB"}) {
    CAPTURE(wrong);
    CHECK(ground({"--max-memory=" + std::string(wrong)}).status == 2);
  }
}

}  // namespace la::test
