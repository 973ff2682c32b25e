#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "../cli/program.hpp"

// ground with a card: the driver is opened as on any machine, but its card is emulated, or missing, or ill.
namespace la::test {
namespace {

/// driver: the folder of libcuda.so.1, below tests/cuda; none: there is no driver
constexpr const char *kDriver = "", *kDriver515 = "/driver_515", *kNone = nullptr;

Outcome run_program(std::vector<std::string> command, const std::string& fault = "",
                    const char* driver = kDriver, const std::string& log = "") {
  Program program;
  program.command = std::move(command);
  // Set either way: Meson adds the folder of the emulated driver for a test that depends on it.
  program.environment["LD_LIBRARY_PATH"] = driver ? std::string(LA_BUILD_ROOT) + "/tests/cuda" + driver : "";
  if (!log.empty()) program.environment["LA_FAKE_CUDA_LOG"] = log;
  if (!fault.empty()) program.environment["LA_FAKE_CUDA"] = fault;
  return run(program);
}

Outcome run_ground(std::vector<std::string> arguments, const std::string& fault = "",
                   const char* driver = kDriver, const std::string& log = "") {
  arguments.insert(arguments.begin(), std::string(LA_BUILD_ROOT) + "/examples/ground");
  for (const char* argument : {"--annotate", "/dev/null"}) arguments.emplace_back(argument);
  return run_program(std::move(arguments), fault, driver, log);
}

/// What the driver was told between two downloads: a pass.
struct CardPass {
  int uploads = 0, launches = 0, graphs = 0, built = 0, nodes = 0, changed = 0;
  int read = 0;  // passes whose results the host has waited for before it ended
};
std::vector<CardPass> passes_of(const std::string& log) {
  std::ifstream in(log);
  std::vector<CardPass> passes;
  CardPass pass;
  int read = 0;
  for (std::string what, rest; in >> what;) {
    std::string unit;
    if (what == "graph") in >> pass.nodes >> unit >> pass.changed;
    pass.graphs += what == "graph";
    pass.uploads += what == "upload";
    pass.launches += what == "launch";
    pass.built += what == "instantiate";
    read += what == "wait";
    if (what == "download") {
      pass.read = read;
      passes.push_back(std::exchange(pass, {}));
    }
    std::getline(in, rest);
  }
  return passes;
}

/// Leaves those whose kernels come for the third time at least, each of which must be one graph. The sum of them.
CardPass settle(std::vector<CardPass>& passes) {
  // The prompt; its kernels with other arguments, one by one; and the same a second time.
  passes.erase(passes.begin(), passes.begin() + 3);
  CardPass all;
  for (const CardPass& pass : passes) {
    CHECK(pass.graphs == 1);
    CHECK(pass.launches == 0);
    CHECK(pass.uploads <= 9);
    all.built += pass.built;
    all.nodes += pass.nodes;
    all.changed += pass.changed;
  }
  CHECK(all.built <= 1);
  return all;
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
  // A driver that starts no launch beside another runs them one after the other.
  CHECK(run_ground({"--device", "cuda", "--activations", "f32"}, "", kDriver515).out == cpu.out);
}

TEST_CASE("cuda: a pass is one graph, in which little changes from one to the next") {
  for (const char* driver : {kDriver, kDriver515}) {
    CAPTURE(driver);
    const TemporaryDirectory directory;
    const std::vector<std::string> one_token = {"--generation-mode",
                                                "slow",
                                                "--speculate",
                                                "off",
                                                "--task",
                                                "detect",
                                                "--categories",
                                                "red circle,blue ring",
                                                "--categories-per-question",
                                                "0"};
    const auto answer = [&](const char* device, const std::string& log) {
      std::vector<std::string> arguments = one_token;
      for (const char* argument : {"--device", device, "--activations", "f32"})
        arguments.emplace_back(argument);
      return run_ground(arguments, "seed:7", driver, log).out;
    };
    CHECK(answer("cuda", directory / "log") == answer("cpu", ""));
    std::vector<CardPass> passes = passes_of(directory / "log");
    REQUIRE(passes.size() > 12);
    const CardPass all = settle(passes);
    CHECK(6 * all.changed <= all.nodes);
    // Each is on its way before the one before it is read, the prompt among them. The last one is of no answer: it has ended.
    for (std::size_t i = 0; i < passes.size(); ++i) CHECK(passes[i].read == int(i) + 3 - 1);
  }
}

TEST_CASE("cuda: in fast mode a pass is one graph, on its way before the block that it follows is read") {
  for (const char* activations : {"f32", "auto"}) {
    CAPTURE(activations);
    const TemporaryDirectory directory;
    const auto answer = [&](const char* device, const std::string& log) {
      return run_ground({"--generation-mode", "fast", "--task", "detect", "--categories",
                         "red circle,blue ring,green cross,pink ring,black letter Y",
                         "--categories-per-question", "0", "--device", device, "--activations", activations},
                        "seed:7", kDriver, log)
          .out;
    };
    const std::string found = answer("cuda", directory / "log");
    if (activations == std::string("f32")) CHECK(found == answer("cpu", ""));
    std::vector<CardPass> passes = passes_of(directory / "log");
    REQUIRE(passes.size() > 6);
    const CardPass all = settle(passes);
    // The tokens' places are arguments of a launch a layer on the exact path. In tensor cores nothing changes but attention,
    // when the keys need another page.
    const int layers = 4;
    CHECK(all.changed <= (activations == std::string("f32") ? layers * int(passes.size()) + 1 : layers));
    CHECK(all.nodes > layers * int(passes.size()));
    // The last one is of no answer: it has ended.
    for (std::size_t i = 0; i < passes.size(); ++i) CHECK(passes[i].read == int(i) + 3 - 1);
  }
}

TEST_CASE("cuda: the card agrees with reference op by op, on both paths") {
  CHECK(run_ground({"--device", "cuda", "--backend", "check", "--activations", "f32"}).status == 0);
  CHECK(run_ground({"--device", "cuda", "--backend", "check"}).status == 0);
}

TEST_CASE("cuda: what cannot be had is said in one line, and auto goes on without") {
  const std::string cpu = run_ground({"--device", "cpu"}).out;
  check_error(run_ground({"--device", "cuda"}, "", kNone), {"device cuda", "libcuda.so.1"});
  check_error(run_ground({"--device", "cuda"}, "none"), {"device cuda:0", "0 cards"});
  check_error(run_ground({"--device", "cuda:3"}), {"device cuda:3", "1 cards"});
  check_error(run_ground({"--device", "cuda"}, "old"), {"cuda:0 (emulated)", "8.0", "7.5"});
  check_error(run_ground({"--device", "cuda"}, "refuse"),
              {"cuda:0 (emulated)", "CUDA 12.0", "refused", "222"});
  check_error(run_ground({"--device", "cuda"}, "lost:100"), {"cuda:0 (emulated)", "719"});
  for (const char* fault : {"none", "old", "refuse", "small:1000000"}) {
    CAPTURE(fault);
    CHECK(run_ground({"--device", "auto"}, fault).out == cpu);
  }
  CHECK(run_ground({"--device", "auto"}, "", kNone).out == cpu);
}

TEST_CASE("cuda: memory of the card that runs out is an error, not an end") {
  check_error(run_ground({"--device", "cuda"}, "small:1000000"), {"out of device memory"});  // while loading
  const Outcome later = run_ground({"--device", "cuda"}, "small:6000000");
  CHECK(later.status == 1);
  CHECK(later.err.find("out of device memory") != std::string::npos);
}

TEST_CASE("cuda: auto says which card it has taken, and says nothing of the processor") {
  CHECK(run_ground({"--device", "auto"}).err.find("device: cuda emulated\n") != std::string::npos);
  CHECK(run_ground({"--device", "cuda"}).err.find("device: ") == std::string::npos);
  for (const char* fault : {"none", "old", "small:1000000"})
    CHECK(run_ground({"--device", "auto"}, fault).err.find("device: ") == std::string::npos);
}

TEST_CASE("cuda: --dry and --max-memory count the card's memory") {
  const auto megabytes = [](const Outcome& dry, const std::string& before) {
    const std::size_t at = dry.out.find(before);
    REQUIRE_MESSAGE(at != std::string::npos, dry.out);
    return std::stod(dry.out.substr(at + before.size()));
  };
  const Outcome cpu = run_ground({"--dry", "--device", "cpu"}),
                card = run_ground({"--dry", "--device", "cuda"});
  CHECK(cpu.out.find("on the card") == std::string::npos);
  const double host = megabytes(card, "picture of 224x168, "), device = megabytes(card, "on the card ");
  CHECK(device > 5);
  CHECK(megabytes(card, "on the card " + std::to_string(int(device))) >= 0);
  CHECK(run_ground({"--dry", "--device", "auto"}).out == card.out);
  CHECK(run_ground({"--dry", "--device", "auto"}, "none").out == cpu.out);
  CHECK(run_ground({"--dry", "--device", "cuda"}, "", kNone).out == card.out);  // planned without one

  const auto limit = [](double mb) { return std::to_string(int(mb)) + "MB"; };
  check_error(run_ground({"--device", "cuda", "--max-memory", limit(host + device / 2)}),
              {"--max-memory: expected at most ", "; on the card "});
  CHECK(run_ground({"--device", "cuda", "--max-memory", limit(host + device + 2)}).status == 0);
}

TEST_CASE("cuda: the benchmark counts what is launched, and measures it where there is a card") {
  const std::string program = std::string(LA_BUILD_ROOT) + "/benchmarks/cuda";
  if (!std::filesystem::exists(program)) {
    MESSAGE("skipped: built without benchmarks");
    return;
  }
  const Outcome floor = run_program({program, "--json"}, "", kNone);
  CHECK(floor.status == 0);
  // The embedding, 36 layers of five, two gathers in the last one, and logits.
  CHECK(
      floor.out.find(
          "{\"stage\":\"pass of 12 rows (a block)\",\"weights\":\"q4_g32\",\"launches\":184,\"graphs\":1,") !=
      std::string::npos);
  const Outcome measured =
      run_program({program, "--json", "--device", "cuda", "--repetitions", "1", "--model-dir",
                   source("tests/checkpoints/odd"), "--keys", "70", "--filter", "pass of"});
  CHECK(measured.status == 0);
  CHECK(measured.out.find("\"measured_us\":") != std::string::npos);
  CHECK(run_program({program, "--device", "tpu"}).status == 2);
  check_error(run_program({program, "--device", "cuda"}, "", kNone), {"libcuda.so.1"});
}

TEST_CASE("cuda: benchmarks of whole answers run on the card") {
  const std::string folder = std::string(LA_BUILD_ROOT) + "/benchmarks/";
  if (!std::filesystem::exists(folder + "e2e")) {
    MESSAGE("skipped: built without benchmarks");
    return;
  }
  const std::string model = source("tests/checkpoints/odd");
  const Outcome stages =
      run_program({folder + "e2e", "--model-dir", model, "--device", "cuda", "--activations", "f32",
                   "--sizes", "56x56", "--max-tokens", "3", "--json"});
  CAPTURE(stages.err);
  CHECK(stages.out.find("\"isa\":\"cuda emulated\"") != std::string::npos);
  const Outcome batches = run_program({folder + "equivalence", "--model-dir", model, "--device", "cuda",
                                       "--gate", "off", "--sharing", "off", "--batches", "1,2", "--modes",
                                       "fast", "--tokens", "7", "--width", "56", "--height", "56"});
  CAPTURE(batches.err);
  CHECK(batches.status == 0);
  CHECK(batches.out.find("cuda emulated, weights") != std::string::npos);
}

}  // namespace la::test
