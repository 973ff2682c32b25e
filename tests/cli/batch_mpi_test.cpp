#include "batch_program.hpp"

// Ranks of MPI that share one run of the batch program.
namespace la::test {
namespace {

/// Whether there is something to test; says so if not.
bool has_mpi() {
  const bool built =
      run({{"/bin/sh", "-c", "ldd " LA_BUILD_ROOT "/examples/batch | grep -q libmpi"}}).status == 0;
  const bool installed = run({{"/bin/sh", "-c", "command -v mpirun"}}).status == 0;
  if (!built) MESSAGE("this build has no MPI: nothing was tested");
  if (!installed) MESSAGE("mpirun is not installed: nothing was tested");
  return built && installed;
}

/// The program on so many ranks.
Program ranks(int count, Program program) {
  std::vector<std::string> command{"/usr/bin/env", "mpirun", "--oversubscribe", "-np", std::to_string(count)};
  command.insert(command.end(), program.command.begin(), program.command.end());
  program.command = std::move(command);
  program.environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
  program.environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
  return program;
}

}  // namespace

TEST_CASE("batch mpi: four ranks write what one process does, in every format") {
  if (!has_mpi()) return;
  TemporaryDirectory here;
  std::filesystem::create_directories(here / "one");
  const std::string in = here / "in.jsonl", out = here / "out.jsonl", one = here / "one/out.jsonl";
  write(in, many_requests(120));
  const std::vector<std::string> formats{"--format", "jsonl,coco,csv"};
  succeed(batch_program(in, one, formats));
  const Outcome four = succeed(ranks(4, batch_program(in, out, formats)));
  CHECK(contains(four.err, "4 ranks, idle "));
  CHECK(contains(four.err, "96 answered"));
  for (const char* end : {".jsonl", ".coco.json", ".csv"}) {
    CAPTURE(end);
    CHECK(read_file(here / ("out" + std::string(end))) == read_file(here / ("one/out" + std::string(end))));
  }
  // Resumed, by another number of ranks.
  const auto lines = lines_of(read_file(one));
  write(out, {lines.begin() + 20, lines.begin() + 70});
  CHECK(contains(succeed(ranks(3, batch_program(in, out, {"--resume"}))).err, "40 answered before"));
  CHECK(read_file(out) == read_file(one));
}

TEST_CASE("batch mpi: few lines, pictures from a pipe and from archives") {
  if (!has_mpi()) return;
  TemporaryDirectory here;
  std::filesystem::copy_file(image("shapes.png"), here / "0.png");
  REQUIRE(run({{"tar", "-C", here.str(), "-cf", here / "a.tar", "0.png"}}).status == 0);
  const std::vector<std::string> ask{"--query", "ring"};
  succeed(batch_program(here / "a.tar", here / "one.jsonl", ask));
  succeed(ranks(3, batch_program(here / "a.tar", here / "three.jsonl", ask)));
  CHECK(lines_of(read_file(here / "three.jsonl")).size() == 1);
  CHECK(read_file(here / "three.jsonl") == read_file(here / "one.jsonl"));
  Program piped = batch_program("-", "-");
  for (const std::string& line : many_requests(10)) piped.input += line + "\n";
  CHECK(succeed(ranks(2, piped)).out == succeed(piped).out);
}

TEST_CASE("batch mpi: what is wrong is said once, and ends all ranks") {
  if (!has_mpi()) return;
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  write(in, many_requests(10));
  write(out, {"my notes"});
  const Outcome there = run(ranks(3, batch_program(in, out)));
  CHECK(there.status == 2);
  CHECK(contains(there.err, "batch: rank 0: --out: " + out + " is there already"));
  CHECK(read_file(out) == "my notes\n");
  const Outcome none = run(ranks(3, batch_program(here / "none", here / "new.jsonl")));
  CHECK(none.status == 1);
  CHECK(contains(none.err, "batch: rank 0: " + (here / "none") + ": could not be opened"));
  // Shards where they are asked for.
  succeed(ranks(2, batch_program(in, here / "new.jsonl", {"--shard", "auto"})));
  CHECK(std::filesystem::exists(here / "new.shard-1-of-2.jsonl"));
  // A launcher that MPI does not know would make every process write the same file.
  Program alone = batch_program(in, here / "other.jsonl");
  alone.environment = {{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"OMPI_MCA_ess", "singleton"}};
  const Outcome refused = run(alone);
  CHECK(refused.status == 2);
  CHECK(contains(refused.err, "batch was started as one of 2 processes that MPI sees alone"));
}

}  // namespace la::test
