#include <algorithm>

#include "program.hpp"

#include "../../la/image/load.hpp"

// A full disk and an interrupt, at any moment: the final names hold whole files or none.
namespace la::test {
namespace {

namespace fs = std::filesystem;

/// The same where no file may grow beyond `blocks` of 512 bytes: the write that would fails, as on a full disk.
Program with_small_disk(Program program, int blocks) {
  std::vector<std::string> shell{"/bin/sh", "-c",
                                 "trap '' XFSZ; ulimit -f " + std::to_string(blocks) + "; exec \"$@\"", "sh"};
  program.command.insert(program.command.begin(), shell.begin(), shell.end());
  return program;
}

Program quantize_program(const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> command{LA_BUILD_ROOT "/examples/quantize",
                                   "--model-dir",
                                   source("data/shapes"),
                                   "--out",
                                   out,
                                   "--format",
                                   "q4",
                                   "--method",
                                   "rtn"};
  command.insert(command.end(), more.begin(), more.end());
  return {std::move(command)};
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  return names;
}

}  // namespace

TEST_CASE("full disk: no half picture") {
  TemporaryDirectory here;
  const std::string target = here / "out.png";
  const Outcome full = run(with_small_disk(ground_program({"--annotate", target}), 16));
  CHECK(full.status == 1);
  CHECK(full.last_error() == "ground: " + target + ": cannot be written: File too large");
  CHECK(names_in(here.str()).empty());
  // One that was there stays as it was.
  REQUIRE(ground({"--annotate", target}).status == 0);
  const std::string before = read_file(target);
  CHECK(run(with_small_disk(ground_program({"--annotate", target, "--phrase", "red circle"}), 16)).status ==
        1);
  CHECK(read_file(target) == before);
}

TEST_CASE("full disk: the answers that fit are whole lines, and --resume goes on behind them") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  std::ofstream lines(in);
  for (int i = 0; i < 12; ++i)
    lines << R"({"id": )" << i << R"(, "image": ")" << source("data/pictures/shapes.png")
          << R"(", "task": "ground-single", "phrase": "red circle"})"
          << "\n";
  lines.close();
  const Program batch{{LA_BUILD_ROOT "/examples/batch", "--requests", in, "--out", out}};
  const Outcome full = run(with_small_disk(batch, 3));
  CHECK(full.status == 1);
  CHECK(full.last_error() == "batch: " + out + ": could not be written");
  const std::string first = read_file(out);
  CHECK(!first.empty());
  CHECK(first.back() == '\n');
  Program resumed = batch;
  resumed.command.push_back("--resume");
  REQUIRE(run(resumed).status == 0);
  const std::string all = read_file(out);
  CHECK(all.find(first) == 0);
  CHECK(std::count(all.begin(), all.end(), '\n') == 12);
}

TEST_CASE("full disk: no half checkpoint, in either layout, wherever the disk ends") {
  for (const char* layout : {"packed", "gptq"})
    for (const int blocks : {2, 16, 200, 2000}) {  // a config, a weight, the tokenizer, the whole file
      CAPTURE(layout);
      CAPTURE(blocks);
      TemporaryDirectory here;
      const std::string out = here / "out";
      const Outcome full = run(with_small_disk(quantize_program(out, {"--layout", layout}), blocks));
      INFO(full.err);
      CHECK(full.status == 1);
      CHECK(full.last_error().find("quantize: " + out + "/") == 0);
      CHECK(full.last_error().find(": cannot be written: File too large") != std::string::npos);
      for (const std::string& name : names_in(out)) {
        CHECK(name != "model.safetensors");
        if (name != ".quantize" && name != "config.json")
          CHECK(read_file(out + "/" + name) == read_file(source("data/shapes/" + name)));
      }
    }
}

TEST_CASE("interrupt: ground ends at once, with 130 and no half picture") {
  TemporaryDirectory here;
  const std::string target = here / "out.png";
  int interrupted = 0;
  for (const int after : {0, 3, 10, 20, 40, 60, 80, 100, 150}) {
    CAPTURE(after);
    Program program =
        ground_program({"--annotate", target, "--task", "detect", "--categories", "red circle, blue ring"});
    program.interrupt_after = after;
    const int status = run(program).status;
    CHECK((status == 130 || status == 0));
    interrupted += status == 130;
    if (status == 0 || fs::exists(target)) CHECK(load_image(target).width > 0);
    fs::remove(target);
  }
  CHECK(interrupted > 0);
}

TEST_CASE("interrupt: a quantize that was ended at any moment is resumed to the same file") {
  TemporaryDirectory here;
  REQUIRE(run(quantize_program(here / "whole")).status == 0);
  const std::string whole = read_file(here / "whole/model.safetensors"), out = here / "out";
  int interrupted = 0;
  for (const int after : {2, 10, 20, 40, 80, 160}) {
    CAPTURE(after);
    fs::remove_all(out);
    Program program = quantize_program(out);
    program.interrupt_after = after;
    const int status = run(program).status;
    CHECK((status == 130 || status == 0));
    interrupted += status == 130;
    const bool written = fs::exists(out + "/model.safetensors");
    if (written) CHECK(read_file(out + "/model.safetensors") == whole);
    if (!written || fs::exists(out + "/.quantize"))
      REQUIRE(run(quantize_program(out, {"--resume"})).status == 0);
    CHECK(read_file(out + "/model.safetensors") == whole);
    for (const std::string& name : names_in(out)) CHECK(name.find(".part") == std::string::npos);
  }
  CHECK(interrupted > 0);
}

}  // namespace la::test
