#include "ground_answer.hpp"

using namespace la::test;

namespace {

/// Compiles as a stranger would, with no flag of this build; the compiler must have nothing to say.
void compile(const std::vector<std::string>& arguments) {
  std::vector<std::string> command;
  std::istringstream words(LA_CXX);
  for (std::string word; words >> word;) command.push_back(word);
  command.insert(command.end(), {"-std=c++20", "-Wall", "-Wextra", "-pthread", "-I", source("")});
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.insert(command.end(), {"-lsimdjson", "-lutf8proc"});
  const Outcome outcome = run({command});
  CHECK(outcome.err == "");
  REQUIRE(outcome.status == 0);
}

}  // namespace

TEST_CASE("embed: the example is short, compiles with one plain line and finds what ground finds") {
  const std::string program = source("examples/embed.cpp"), image = source("data/pictures/shapes.png");
  const std::string text = read_file(program);
  CHECK(std::count(text.begin(), text.end(), '\n') < 40);

  TemporaryDirectory here;
  compile({"-O2", "-march=native", program, "-o", here / "embed"});
  const Outcome outcome = run({{here / "embed", source("data/shapes"), image, "red circle"}});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  std::array<double, 4> box{};
  REQUIRE(std::sscanf(outcome.out.c_str(), "red circle %lf %lf %lf %lf\n", &box[0], &box[1], &box[2],
                      &box[3]) == 4);
  const std::vector<double> expected =
      first_box(ground({"--json", "--image", image, "--phrase", "red circle"}));
  constexpr double kRounding = 0.05;  // one digit behind the point
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(box[i] - expected[i]) <= kRounding + 1e-6);

  CHECK(run({{here / "embed"}}).status == 2);
  const Outcome missing = run({{here / "embed", source("data/shapes"), "/no/such/picture", "red circle"}});
  CHECK(missing.status == 1);
  CHECK(missing.err.find("/no/such/picture") == 0);
}
