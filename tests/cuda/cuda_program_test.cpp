#include "../cli/program.hpp"

// ground with a card: the driver is opened as on any machine, but its card is emulated, or missing, or ill.
namespace la::test {
namespace {

Outcome run_ground(std::vector<std::string> arguments, const std::string& fault = "", bool driver = true) {
  Program program;
  program.command = {std::string(LA_BUILD_ROOT) + "/examples/ground"};
  for (std::string& argument : arguments) program.command.push_back(std::move(argument));
  for (const char* argument : {"--annotate", "/dev/null"}) program.command.emplace_back(argument);
  // Set either way: Meson adds the folder of the emulated driver for a test that depends on it.
  program.environment["LD_LIBRARY_PATH"] = driver ? std::string(LA_BUILD_ROOT) + "/tests/cuda" : "";
  if (!fault.empty()) program.environment["LA_FAKE_CUDA"] = fault;
  return run(program);
}

void check_error(const Outcome& got, std::vector<const char*> parts) {
  CHECK(got.status == 1);
  CHECK(got.out == "");
  for (const char* part : parts) {
    CAPTURE(part);
    CAPTURE(got.err);
    CHECK(got.last_error().find(part) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("cuda: ground answers the same on the card as on the processor") {
  const Outcome cpu = run_ground({"--device", "cpu"}),
                card = run_ground({"--device", "cuda", "--activations", "f32"});
  CAPTURE(card.err);
  CHECK(card.status == 0);
  CHECK(card.out == cpu.out);
  CHECK(run_ground({"--device", "cuda:0", "--activations", "f32"}).out == cpu.out);
  CHECK(run_ground({"--device", "auto", "--activations", "f32", "--json"}).out.find("cuda emulated") !=
        std::string::npos);
}

TEST_CASE("cuda: the card agrees with reference op by op, on both paths") {
  CHECK(run_ground({"--device", "cuda", "--backend", "check", "--activations", "f32"}).status == 0);
  CHECK(run_ground({"--device", "cuda", "--backend", "check"}).status == 0);
}

TEST_CASE("cuda: what cannot be had is said in one line, and auto goes on without") {
  const std::string cpu = run_ground({"--device", "cpu"}).out;
  check_error(run_ground({"--device", "cuda"}, "", false), {"device cuda", "libcuda.so.1"});
  check_error(run_ground({"--device", "cuda"}, "none"), {"device cuda:0", "0 cards"});
  check_error(run_ground({"--device", "cuda:3"}), {"device cuda:3", "1 cards"});
  check_error(run_ground({"--device", "cuda"}, "old"), {"cuda:0 (emulated)", "8.0", "7.5"});
  check_error(run_ground({"--device", "cuda"}, "refuse"),
              {"cuda:0 (emulated)", "CUDA 12.0", "refused", "222"});
  check_error(run_ground({"--device", "cuda"}, "lost:200"), {"cuda:0 (emulated)", "719"});
  for (const char* fault : {"none", "old", "refuse", "small:1000000"}) {
    CAPTURE(fault);
    CHECK(run_ground({"--device", "auto"}, fault).out == cpu);
  }
  CHECK(run_ground({"--device", "auto"}, "", false).out == cpu);
}

TEST_CASE("cuda: memory of the card that runs out is an error, not an end") {
  check_error(run_ground({"--device", "cuda"}, "small:1000000"), {"out of device memory"});  // while loading
  const Outcome later = run_ground({"--device", "cuda"}, "small:6000000");
  CHECK(later.status == 1);
  CHECK(later.err.find("out of device memory") != std::string::npos);
}

}  // namespace la::test
