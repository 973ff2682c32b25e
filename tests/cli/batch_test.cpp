#include <algorithm>
#include <csignal>
#include <set>
#include <sstream>
#include <thread>

#include "batch_program.hpp"

// The batch program, as people run it.
namespace la::test {
namespace {

/// Starts the program, and sends the signal once its output has this many lines. 128 + the signal that ended it, or its
/// exit code.
int run_and_signal(Program program, const std::string& out, std::size_t lines, int signal) {
  TemporaryDirectory scratch;
  std::vector<std::string> environment = environment_of(program, scratch);
  pid_t process = 0;
  REQUIRE(::posix_spawnp(&process, program.command[0].c_str(), nullptr, nullptr,
                         pointers(program.command).data(), pointers(environment).data()) == 0);
  int status = 0;
  bool sent = false;
  while (::waitpid(process, &status, WNOHANG) == 0) {
    std::error_code ignored;
    if (!sent && std::filesystem::exists(out, ignored) && lines_of(read_file(out)).size() >= lines) {
      ::kill(process, signal);
      sent = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(sent);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("batch program: a line an answer, in order, with the request's fields and errors of their own") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", out = folder / "out.jsonl";
  write(in, {"{\"image\":\"" + image("shapes.png") +
                 "\",\"query\":\"ring</c>star\",\"id\":\"a\",\"more\":[1,{\"x\":null}]}",
             "", "{\"image\":\"/no/such.png\",\"query\":\"ring\",\"id\":7}", "not json",
             "{\"image\":\"" + image("crowd.png") + "\",\"task\":\"point\",\"phrase\":\"red circle\"}",
             "{\"image\":\"x.png\",\"query\":\"a\",\"task\":\"point\",\"phrase\":\"b\"}", "{\"query\":\"a\"}",
             "{\"image\":3,\"query\":\"a\"}", "[]"});
  const Outcome outcome = run(batch_program(in, out));
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "");
  CHECK(outcome.last_error().find("2 answered, 6 failed (5 by the request, 1 by the picture); ") == 0);
  const auto lines = lines_of(read_file(out));
  REQUIRE(lines.size() == 8);
  simdjson::dom::parser parser;

  const simdjson::dom::element first = parsed(parser, lines[0]);
  CHECK(std::string_view(first["id"]) == "a");
  CHECK(std::string(simdjson::minify(first["more"].value())) == "[1,{\"x\":null}]");
  CHECK(std::string_view(first["query"]) == "ring</c>star");
  CHECK(first["line"].error() == simdjson::NO_SUCH_FIELD);
  CHECK(std::string_view(first["raw_response"]).find("<ref>ring</ref><box>") == 0);
  CHECK(std::string_view(first["items"].at(0)["label"]) == "ring");
  CHECK(std::int64_t(first["stats"]["prompt_tokens"]) > 60);
  const auto error_of = [&](std::size_t i) {
    return std::string(std::string_view(parsed(parser, lines[i])["error"]));
  };
  CHECK(error_of(1).find("/no/such.png") == 0);
  CHECK(error_of(2).find("expected a JSON object") == 0);
  CHECK(error_of(4).find("query: takes the place of task, phrase and categories") == 0);
  CHECK(error_of(5) == "image is missing");
  CHECK(error_of(6) == "image: expected a string, found 3");
  CHECK(error_of(7).find("expected a JSON object") == 0);
  const simdjson::dom::element point = parsed(parser, lines[3]);
  CHECK(std::string_view(point["items"].at(0)["kind"]) == "point");
}

TEST_CASE(
    "batch program: 1,000 lines, killed in the middle and resumed, are those of one uninterrupted run") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", whole = folder / "whole.jsonl", out = folder / "out.jsonl";
  write(in, many_requests(1000));
  CHECK(run(batch_program(in, whole)).status == 0);
  const std::string want = read_file(whole);
  CHECK(lines_of(want).size() == 1000);
  CHECK(run_and_signal(batch_program(in, out), out, 400, SIGKILL) == 128 + SIGKILL);
  CHECK(lines_of(read_file(out)).size() < 1000);
  std::ofstream(out, std::ios::app) << "{\"image\":\"torn";  // as a kill in the middle of a line leaves it
  const Outcome resumed = run(batch_program(in, out, {"--resume", "--batch-size", "3"}));
  CHECK(resumed.status == 0);
  CHECK(read_file(out) == want);
  // Nothing is left to do.
  CHECK(run(batch_program(in, out, {"--resume"})).last_error().find("0 answered") == 0);
  CHECK(read_file(out) == want);
}

TEST_CASE("batch program: an interrupt leaves whole lines, an exit code that says so, and a place to go on") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", whole = folder / "whole.jsonl", out = folder / "out.jsonl";
  write(in, many_requests(400));
  CHECK(run(batch_program(in, whole)).status == 0);
  CHECK(run_and_signal(batch_program(in, out), out, 50, SIGINT) == 130);
  const std::string part = read_file(out);
  REQUIRE(part.size() > 0);
  CHECK(part.back() == '\n');
  const auto all = lines_of(read_file(whole));
  for (const std::string& line : lines_of(part)) CHECK(std::find(all.begin(), all.end(), line) != all.end());
  CHECK(lines_of(part).size() < 400);
  CHECK(run(batch_program(in, out, {"--resume"})).status == 0);
  CHECK(read_file(out) == read_file(whole));
}

TEST_CASE("batch program: an id that comes twice is answered twice, also across runs") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", out = folder / "out.jsonl";
  const std::string one = "{\"image\":\"" + image("shapes.png") + "\",\"query\":\"ring\",\"id\":1}";
  write(in, {one, one, one});
  CHECK(run(batch_program(in, out)).status == 0);
  const auto lines = lines_of(read_file(out));
  REQUIRE(lines.size() == 3);
  write(out, {lines[0]});
  CHECK(run(batch_program(in, out, {"--resume"})).status == 0);
  CHECK(lines_of(read_file(out)) == lines);
}

TEST_CASE("batch program: --format coco writes a results file") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", out = folder / "results.json",
                    named = folder / "000000000042.png";
  std::filesystem::copy_file(image("shapes.png"), named);
  write(in, {"{\"image\":\"" + named + "\",\"query\":\"ring</c>star\"}",
             "{\"image\":\"" + image("crowd.png") + "\",\"image_id\":9,\"category_id\":3,\"query\":\"star\"}",
             "{\"image\":\"" + image("crowd.png") + "\",\"task\":\"point\",\"phrase\":\"red circle\"}",
             "broken"});
  CHECK(run(batch_program(in, out, {"--format", "coco"})).status == 0);
  simdjson::dom::parser parser;
  const std::string text = read_file(out);
  const simdjson::dom::array results = parsed(parser, text);
  std::set<std::int64_t> images, categories;
  for (simdjson::dom::element result : results) {
    images.insert(std::int64_t(result["image_id"]));
    categories.insert(std::int64_t(result["category_id"]));
    CHECK(result["bbox"].get_array().size() == 4);
    CHECK(double(result["bbox"].at(2)) >= 0);
    CHECK(double(result["score"]) > 0);
  }
  CHECK(images == std::set<std::int64_t>{9, 42});
  CHECK(categories.count(3) == 1);
  // Out of the same answers comes the same file.
  std::filesystem::remove(out);
  CHECK(run(batch_program(in, out, {"--format", "coco", "--resume"})).status == 0);
  CHECK(read_file(out) == text);
  write(in, {"broken"});
  CHECK(run(batch_program(in, out, {"--format", "coco", "--force"})).status == 1);
  CHECK(read_file(out) == "[]\n");
}

TEST_CASE("batch program: wrong usage and files that are no answers") {
  TemporaryDirectory folder;
  const std::string in = folder / "in.jsonl", out = folder / "out.jsonl";
  write(in, many_requests(2));
  const auto last = [](const Program& program, int status) {
    const Outcome outcome = run(program);
    CHECK(outcome.status == status);
    return outcome.last_error();
  };
  CHECK(last({{LA_BUILD_ROOT "/examples/batch", "--out", "x"}}, 2) ==
        "batch: --requests: expected a file of requests, a folder or -");
  CHECK(last({{LA_BUILD_ROOT "/examples/batch", "--requests", "x"}}, 2) ==
        "batch: --out: expected a file for the answers");
  CHECK(last(batch_program(in, in), 2).find("batch: --out: expected another file than --requests") == 0);
  CHECK(last(batch_program(in, out, {"--format", "xml"}), 2)
            .find("batch: --format: expected jsonl, coco, yolo") == 0);
  CHECK(last(batch_program(in, out, {"--batch-size", "0"}), 2).find("--batch-size") != std::string::npos);
  CHECK(last(batch_program(folder / "none", out), 1) ==
        "batch: " + (folder / "none") + ": could not be opened");
  CHECK(last(batch_program(in, folder / "no/out"), 1).find("could not be opened for writing") !=
        std::string::npos);
  CHECK(lines_of(read_file(in)).size() == 2);
  write(out, {"my notes", "more"});
  CHECK(last(batch_program(in, out, {"--resume"}), 1)
            .find(out + ": line 1: expected an answer of an earlier run") != std::string::npos);
  CHECK(lines_of(read_file(out)).size() == 2);
  const Outcome full = run(batch_program(in, "/dev/full"));
  CHECK(full.status == 1);
  CHECK(full.last_error() == "batch: /dev/full: could not be written");
}

}  // namespace la::test
