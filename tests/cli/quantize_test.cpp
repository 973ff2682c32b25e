#include <filesystem>

#include "ground_answer.hpp"

namespace la::test {
namespace {

Outcome quantize(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), LA_BUILD_ROOT "/examples/quantize");
  return run({std::move(arguments)});
}

std::string bundled() {
  return source("data/shapes");
}

}  // namespace

TEST_CASE("quantize program: its directory is a checkpoint that ground opens") {
  TemporaryDirectory directory;
  const Outcome made = quantize(
      {"--model-dir", bundled(), "--out", directory / "mixed", "--format", "mixed", "--method", "rtn"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  CHECK(made.out.empty());
  CHECK(made.err.find("bits a weight") != std::string::npos);
  CHECK(std::filesystem::exists(directory / "mixed/tokenizer.json"));
  const Outcome found = ground({"--model-dir", directory / "mixed", "--image",
                                source("data/pictures/shapes.png"), "--phrase", "red circle", "--json"});
  const std::vector<double> box = first_box(found);
  CHECK(std::abs(box[0] - 138) < 8);
  CHECK(std::abs(box[3] - 78) < 8);
  CHECK(text(Answers(found.out)[0], "weights") == "q4");
}

TEST_CASE("quantize program: calibrated by default, and tells what each step bought") {
  TemporaryDirectory directory;
  std::ofstream(directory / "lines.jsonl") << R"({"image": ")" << source("data/pictures/shapes.png")
                                           << R"(", "task": "ground-single", "phrase": "red circle"})"
                                           << "\n";
  const Outcome made = quantize({"--model-dir", bundled(), "--out", directory / "q4", "--format", "q4",
                                 "--layout", "gptq", "--calibration", directory / "lines.jsonl"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  CHECK(made.err.find("error feedback") != std::string::npos);
  CHECK(ground({"--model-dir", directory / "q4", "--dry"}).status == 0);
}

TEST_CASE("quantize program: wrong usage exits with 2 and names the flag, a failure with 1") {
  TemporaryDirectory directory;
  const auto refused = [](std::vector<std::string> arguments, int status, const char* message) {
    const Outcome outcome = quantize(std::move(arguments));
    CHECK(outcome.status == status);
    CHECK(outcome.last_error().find(message) != std::string::npos);
  };
  refused({"--format", "q8"}, 2, "--out");
  refused({"--out", directory / "a"}, 2, "--format: expected one of q8, q4, mixed");
  refused({"--out", directory / "a", "--format", "q8", "--parts", "decoder,hands"}, 2, "--parts");
  refused({"--out", directory / "a", "--format", "q8", "--layout", "gptq", "--model-dir", bundled()}, 2,
          "--layout gptq");
  refused({"--out", directory / "a", "--format", "q4", "--calibration", directory / "none"}, 1,
          "--calibration");
  std::filesystem::create_directory(directory / "full");
  std::ofstream(directory / "full/file") << "x";
  refused({"--out", directory / "full", "--format", "q8", "--model-dir", bundled()}, 1,
          "expected a new or empty directory");
}

}  // namespace la::test
