#include "batch_program.hpp"

// Several machines that answer a share of the lines each, and their answers joined.
namespace la::test {
namespace {

std::string shard_file(const std::string& out, int index, int count) {
  return out.substr(0, out.size() - 6) + ".shard-" + std::to_string(index) + "-of-" + std::to_string(count) +
         ".jsonl";
}

Program with(Program program, std::map<std::string, std::string> environment) {
  program.environment = std::move(environment);
  return program;
}

}  // namespace

TEST_CASE("batch shards: merged they are what one run writes, in every format") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl", whole = here / "whole/out.jsonl";
  std::filesystem::create_directories(here / "whole");
  const std::vector<std::string> formats{"--format", "jsonl,csv,coco,cvat,labelstudio"};
  write(in, many_requests(50));
  succeed(batch_program(in, whole, formats));
  for (int i = 0; i < 3; ++i) {
    std::vector<std::string> more{"--shard", std::to_string(i) + "/3"};
    more.insert(more.end(), formats.begin(), formats.end());
    succeed(batch_program(in, out, more));
    CHECK(std::filesystem::exists(shard_file(out, i, 3)));
    CHECK(!std::filesystem::exists(here / "out.csv"));
  }
  std::vector<std::string> merge{"--merge"};
  merge.insert(merge.end(), formats.begin(), formats.end());
  CHECK(contains(succeed(batch_program(in, out, merge)).err, "50 answers of 3 shards, 10 of them failed"));
  for (const char* end :
       {".jsonl", ".csv", ".coco.json", ".coco.json.ids.json", ".cvat.xml", ".labelstudio.json"}) {
    CAPTURE(end);
    CHECK(!read_file(here / ("out" + std::string(end))).empty());
    CHECK(read_file(here / ("out" + std::string(end))) == read_file(here / ("whole/out" + std::string(end))));
  }
  CHECK(contains(last(batch_program(in, out, {"--merge"}), 2), " is there already"));
  // Named in any order, also among others of another count.
  std::filesystem::copy_file(shard_file(out, 0, 3), shard_file(out, 0, 2));
  CHECK(contains(last(batch_program(in, out, {"--merge", "--force"}), 1),
                 "expected shards of one count, found of 2 and of 3"));
  succeed(batch_program(in, here / "named.jsonl",
                        {"--merge", shard_file(out, 2, 3), shard_file(out, 0, 3), shard_file(out, 1, 3)}));
  CHECK(read_file(here / "named.jsonl") == read_file(whole));
}

TEST_CASE("batch shards: a merge names the lines without an answer, and writes nothing") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  std::vector<std::string> requests;
  for (int i = 0; i < 30; ++i)
    requests.push_back("{\"image\":\"" + image("shapes.png") +
                       "\",\"query\":\"ring\",\"id\":" + std::to_string(i) + "}");
  write(in, requests);
  succeed(batch_program(in, out, {"--shard", "0/2"}));
  const std::string error = last(batch_program(in, out, {"--merge"}), 1);
  CHECK(error ==
        "batch: " + out +
            ": not written: of 30 lines 15 have no answer in 1 shards: line 2, 4, 6, 8, 10 and others");
  CHECK(!std::filesystem::exists(out));
  succeed(batch_program(in, out, {"--shard", "1/2", "--max-tokens", "900"}));
  CHECK(contains(last(batch_program(in, out, {"--merge"}), 1), "\"options\":{\"max_tokens\":\"900\"}"));
  CHECK(!std::filesystem::exists(out));
  succeed(batch_program(in, out, {"--merge", "--force"}));
  CHECK(lines_of(read_file(out)).size() == 30);
  CHECK(contains(last(batch_program(in, here / "other.jsonl", {"--merge"}), 1),
                 "expected files of shards beside it, found none"));
  CHECK(contains(
      last(batch_program(in, shard_file(out, 0, 2), {"--merge", "--force", shard_file(out, 0, 2)}), 2),
      "expected another file than the shards"));
}

TEST_CASE("batch shards: taken from what started the program") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl";
  write(in, many_requests(16));
  int number = 0;
  const auto shard = [&](std::map<std::string, std::string> environment, std::vector<std::string> more = {}) {
    const std::string out = here / ("out" + std::to_string(++number) + ".jsonl");
    const Outcome outcome = succeed(with(batch_program(in, out, std::move(more)), std::move(environment)));
    const std::size_t at = outcome.err.find("shard ");
    return at == std::string::npos ? "" : outcome.err.substr(at, outcome.err.find(':', at) - at);
  };
  CHECK(shard({}) == "");
  // In builds with MPI its ranks share one run, unless shards are asked for.
  const std::vector<std::string> automatic{"--shard", "auto"};
  CHECK(shard({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}, automatic) ==
        "shard 2 of 4, by $OMPI_COMM_WORLD_RANK and $OMPI_COMM_WORLD_SIZE");
  CHECK(shard({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}}, automatic) ==
        "shard 0 of 2, by $PMI_RANK and $PMI_SIZE");
  CHECK(shard({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "3"}}) ==
        "shard 1 of 3, by $SLURM_PROCID and $SLURM_STEP_NUM_TASKS");
  CHECK(shard({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "3"}}) == "");  // a batch script, no step
  CHECK(shard({{"RANK", "5"}, {"WORLD_SIZE", "8"}}) == "shard 5 of 8, by $RANK and $WORLD_SIZE");
  const std::map<std::string, std::string> array{{"SLURM_ARRAY_TASK_ID", "13"},
                                                 {"SLURM_ARRAY_TASK_COUNT", "4"},
                                                 {"SLURM_ARRAY_TASK_MIN", "10"},
                                                 {"SLURM_ARRAY_TASK_MAX", "13"}};
  CHECK(shard(array) == "shard 3 of 4, by $SLURM_ARRAY_TASK_ID");
  std::map<std::string, std::string> both = array;
  both["SLURM_PROCID"] = "1";
  both["SLURM_STEP_NUM_TASKS"] = "2";
  CHECK(shard(both) == "shard 7 of 8, by $SLURM_ARRAY_TASK_ID with $SLURM_PROCID and $SLURM_STEP_NUM_TASKS");
  CHECK(shard({{"JOB_COMPLETION_INDEX", "1"}}, {"--shard", "auto/5"}) ==
        "shard 1 of 5, by $JOB_COMPLETION_INDEX");
  CHECK(shard({{"RANK", "5"}, {"WORLD_SIZE", "8"}}, {"--shard", "off"}) == "");
  CHECK(shard({{"RANK", "5"}, {"WORLD_SIZE", "8"}}, {"--shard", "1/2"}) == "shard 1 of 2, by --shard");

  const auto wrong = [&](std::map<std::string, std::string> environment, std::vector<std::string> more = {}) {
    return last(with(batch_program(in, here / "wrong.jsonl", std::move(more)), std::move(environment)), 2);
  };
  CHECK(wrong({{"JOB_COMPLETION_INDEX", "1"}}) ==
        "batch: --shard: expected auto/N with $JOB_COMPLETION_INDEX, which tells no number of shards");
  std::map<std::string, std::string> holes = array;
  holes["SLURM_ARRAY_TASK_COUNT"] = "3";
  CHECK(contains(wrong(holes),
                 "expected an array without holes, found 3 tasks from 10 to 13; give --shard I/N"));
  CHECK(contains(wrong({}, {"--shard", "3"}), "--shard: expected I/N, auto/N or off, found '3'"));
  CHECK(contains(wrong({}, {"--shard", "2/2"}), "--shard: expected a shard from 0 to 1, found 2"));
  CHECK(contains(wrong({{"PMI_RANK", "x"}, {"PMI_SIZE", "2"}}, automatic), "$PMI_RANK: expected a number"));
}

TEST_CASE("batch shards: a shard is resumed as any run, and a shard without lines is no failure") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  write(in, many_requests(20));
  const Program program = batch_program(in, out, {"--shard", "1/2"});
  succeed(program);
  const std::string file = shard_file(out, 1, 2), whole = read_file(file);
  CHECK(contains(last(program, 2), " is there already"));
  const auto lines = lines_of(whole);
  write(file, {lines.begin(), lines.begin() + 4});
  succeed(batch_program(in, out, {"--shard", "1/2", "--resume"}));
  CHECK(read_file(file) == whole);
  succeed(batch_program(in, out, {"--shard", "25/30"}));
  CHECK(read_file(shard_file(out, 25, 30)) == "");
}

}  // namespace la::test
