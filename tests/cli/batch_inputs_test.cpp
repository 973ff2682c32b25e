#include <sys/stat.h>

#include <algorithm>

#include "batch_program.hpp"

// The forms of input that the batch program takes, each as people give it.
namespace la::test {
namespace {

/// A request about the picture of this name.
std::string ask(const std::string& image, const std::string& more = "\"query\":\"ring\"") {
  return "{\"image\":\"" + image + "\"," + more + "}";
}

std::string unquoted(const std::string& json) {
  return json.size() < 2 ? json : json.substr(1, json.size() - 2);
}

/// The program under a shell, for pipes.
Program shell(const std::string& script) {
  return {{"/bin/bash", "-c", script, LA_BUILD_ROOT "/examples/batch", source("data/shapes")}};
}

bool installed(const char* program) {
  return run({{"/bin/sh", "-c", std::string("command -v ") + program}}).status == 0;
}

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

}  // namespace

TEST_CASE(
    "batch input: stdin, a pipe, a FIFO and a process substitution are read once, and answered as a file") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl";
  write(in, many_requests(20));
  succeed(batch_program(in, here / "out.jsonl"));
  const std::string want = read_file(here / "out.jsonl");
  Program from_stdin = batch_program("-", "-");
  from_stdin.input = read_file(in);
  CHECK(succeed(from_stdin).out == want);
  const std::string batch = "\"$0\" --model-dir \"$1\" --threads 1 --out - --requests ";
  CHECK(succeed(shell("cat " + in + " | " + batch + "-")).out == want);
  CHECK(succeed(shell("cat " + in + " | " + batch + "/dev/stdin")).out == want);
  CHECK(succeed(shell(batch + "<(cat " + in + ")")).out == want);
  REQUIRE(::mkfifo((here / "fifo").c_str(), 0600) == 0);
  CHECK(succeed(shell("cat " + in + " >" + (here / "fifo") + " & " + batch + (here / "fifo"))).out == want);
}

TEST_CASE("batch input: no requests at all are an error, not an empty success") {
  TemporaryDirectory here;
  write(here / "in.jsonl", {"", "  "});
  const Outcome outcome = run(batch_program(here / "in.jsonl", here / "out.jsonl"));
  CHECK(outcome.status == 1);
  CHECK(outcome.last_error() == "batch: " + (here / "in.jsonl") + ": expected requests, found none");
  CHECK(run(batch_program("-", "-")).last_error() == "batch: -: expected requests, found none");
}

TEST_CASE("batch input: a byte order mark of UTF-8 is skipped, UTF-16 is named") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", line = ask(image("shapes.png"));
  write(in, {line});
  const std::string want = succeed(batch_program(in, "-")).out;
  write(in, {"\xef\xbb\xbf" + line});
  CHECK(succeed(batch_program(in, "-")).out == want);
  std::string wide = "\xff\xfe";
  for (const char c : line) wide += std::string{c, '\0'};
  for (const std::string& text : {wide, wide.substr(2)}) {
    write(in, {text});
    const Outcome outcome = run(batch_program(in, "-"));
    CHECK(outcome.status == 1);
    CHECK(outcome.last_error() ==
          "batch: " + in + ": expected UTF-8, found UTF-16; iconv -f UTF-16 -t UTF-8 converts it");
  }
}

TEST_CASE("batch input: a folder, a pattern and a picture, each asked what the flags ask") {
  TemporaryDirectory here;
  std::filesystem::create_directories(here / "photos/more");
  std::filesystem::copy_file(image("shapes.png"), here / "photos/b.png");
  std::filesystem::copy_file(image("crowd.png"), here / "photos/more/a.PNG");
  std::filesystem::copy_file(image("turned.jpg"), here / "photos/c.jpg");
  write(here / "photos/notes.txt", {"no picture"});
  const auto images = [](const BatchAnswers& answers) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < answers.size(); ++i)
      names.push_back(std::filesystem::path(unquoted(answers.at(i, "image"))).filename());
    return names;
  };
  const BatchAnswers folder(succeed(batch_program(here / "photos", "-", {"--phrase", "red circle"})).out);
  CHECK(images(folder) == std::vector<std::string>{"b.png", "c.jpg", "a.PNG"});
  CHECK(folder.at(0, "task") == "\"ground-single\"");
  CHECK(folder.at(0, "phrase") == "\"red circle\"");
  const BatchAnswers pattern(
      succeed(batch_program(here / "photos/*.*g", "-", {"--categories", "ring, star"})).out);
  CHECK(images(pattern) == std::vector<std::string>{"b.png", "c.jpg"});
  CHECK(pattern.at(0, "task") == "\"detect\"");
  CHECK(pattern.at(0, "raw_response").find("<ref>ring</ref><box>") == 1);
  const BatchAnswers single(
      succeed(batch_program(here / "photos/b.png", "-", {"--task", "point", "--phrase", "star"})).out);
  CHECK(single.size() == 1);
  CHECK(single.at(0, "items").find("\"kind\":\"point\"") != std::string::npos);
  const Outcome unasked = run(batch_program(here / "photos", "-"));
  CHECK(unasked.status == 2);
  CHECK(unasked.last_error() ==
        "batch: --requests: " + (here / "photos") +
            " holds pictures alone; expected --phrase, --categories, --query or --task");
  CHECK(run(batch_program(here / "photos/*.webp", "-", {"--phrase", "x"})).last_error() ==
        "batch: " + (here / "photos/*.webp") + ": expected pictures, found none");
}

TEST_CASE("batch input: lines that ask nothing are asked what the flags ask, others their own") {
  Program program = batch_program("-", "-", {"--phrase", "red circle"});
  program.input = "{\"image\":\"" + image("shapes.png") + "\"}\n" + ask(image("shapes.png")) + "\n";
  const BatchAnswers answers(succeed(program).out);
  CHECK(answers.at(0, "phrase") == "\"red circle\"");
  CHECK(answers.at(0, "items").find("red circle") != std::string::npos);
  CHECK(answers.at(1, "phrase") == "");
  CHECK(answers.at(1, "items").find("ring") != std::string::npos);
}

TEST_CASE("batch input: a COCO annotation file gives pictures, their ids and the categories asked for") {
  TemporaryDirectory here;
  std::filesystem::copy_file(image("shapes.png"), here / "COCO_val2014_000000000042.png");
  std::filesystem::copy_file(image("crowd.png"), here / "000000000007.png");
  write(here / "instances.json",
        {R"({"info":{},"images":[{"id":42,"file_name":"COCO_val2014_000000000042.png","width":1,"height":1},)"
         R"({"id":7,"file_name":"000000000007.png"}],"annotations":[],)"
         R"("categories":[{"id":90,"name":"star","supercategory":"x"},{"id":3,"name":"ring"}]})"});
  const std::vector<std::string> command{LA_BUILD_ROOT "/examples/batch", "--model-dir",
                                         source("data/shapes"), "--coco-annotations",
                                         here / "instances.json"};
  Program program{command};
  program.command.insert(program.command.end(), {"--out", "-"});
  const BatchAnswers answers(succeed(program).out);
  REQUIRE(answers.size() == 2);
  CHECK(answers.at(0, "image_id") == "42");
  CHECK(answers.at(1, "image_id") == "7");
  CHECK(answers.at(0, "categories") == "[\"star\",\"ring\"]");
  CHECK(answers.at(0, "raw_response").find("<ref>star</ref>") == 1);
  program.command = command;
  program.command.insert(program.command.end(), {"--format", "coco", "--out", here / "results.json"});
  succeed(program);
  BatchAnswers results("");
  simdjson::dom::parser parser;
  const std::string text = read_file(here / "results.json");
  int boxes = 0;
  for (simdjson::dom::element result : simdjson::dom::array(parsed(parser, text))) {
    const auto category = std::int64_t(result["category_id"]), picture = std::int64_t(result["image_id"]);
    CHECK((picture == 42 || picture == 7));
    CHECK(category == (std::string_view(result["category_name"]) == "star" ? 90 : 3));
    ++boxes;
  }
  CHECK(boxes == 3);
  write(here / "instances.json",
        {R"({"images":[{"id":1,"file_name":"a"},{"id":1,"file_name":"b"}],"categories":[]})"});
  CHECK(run(program).status == 2);  // results.json is there
  program.command.push_back("--force");
  const Outcome twice = run(program);
  CHECK(twice.status == 1);
  CHECK(twice.last_error().find("expected an id of its own, found 1 again") != std::string::npos);
}

TEST_CASE("batch input: WebDataset archives, plain and compressed, a file of them and a pattern") {
  TemporaryDirectory here;
  std::filesystem::create_directories(here / "set");
  std::filesystem::copy_file(image("shapes.png"), here / "set/000.png");
  write(here / "set/000.json", {R"({"query":"ring</c>star","id":"first"})"});
  std::filesystem::copy_file(image("crowd.png"), here / "set/001.png");
  write(here / "set/001.txt", {"red circle"});
  std::filesystem::copy_file(image("letters.png"), here / "set/002.left.png");
  REQUIRE(run({{"tar", "-C", here / "set", "--sort=name", "-cf", here / "a-0.tar", "000.json", "000.png",
                "001.png", "001.txt"}})
              .status == 0);
  REQUIRE(run({{"tar", "-C", here / "set", "-czf", here / "a-1.tar.gz", "002.left.png"}}).status == 0);
  const BatchAnswers one(succeed(batch_program(here / "a-0.tar", "-")).out);
  REQUIRE(one.size() == 2);
  CHECK(one.at(0, "id") == "\"first\"");
  CHECK(one.at(0, "raw_response").find("<ref>ring</ref><box>") == 1);
  CHECK(one.at(1, "id") == "\"001\"");
  CHECK(one.at(1, "phrase") == "\"red circle\"");
  // Members that ask nothing are asked what the flags ask.
  const BatchAnswers all(succeed(batch_program(here / "a-*", "-", {"--query", "letter"})).out);
  REQUIRE(all.size() == 3);
  CHECK(all.at(2, "query") == "\"letter\"");
  CHECK(all.at(2, "id") == "\"002\"");
  CHECK(all.at(2, "error") == "");
  write(here / "bad.tar", {"no archive", "at all"});
  const Outcome bad = run(batch_program(here / "bad.tar", "-", {"--query", "x"}));
  CHECK(bad.status == 1);
  CHECK(bad.last_error().find((here / "bad.tar") + ": expected a tar archive") != std::string::npos);
}

TEST_CASE("batch input: frames of a video, with their times; without ffmpeg an error says so") {
  TemporaryDirectory here;
  const std::string video = here / "clip.mkv";
  std::vector<std::string> command{LA_BUILD_ROOT "/examples/batch",
                                   "--model-dir",
                                   source("data/shapes"),
                                   "--video",
                                   video,
                                   "--every",
                                   "0.5s",
                                   "--phrase",
                                   "red circle",
                                   "--out",
                                   "-"};
  CHECK(run({command}).last_error() == "batch: " + video + ": could not be opened");
  write(video, {"no video"});
  Program without{command};
  without.environment["PATH"] = here.str();
  CHECK(run(without).last_error() ==
        "batch: --video: expected the program ffmpeg, found none: No such file or directory");
  if (!installed("ffmpeg")) {
    MESSAGE("ffmpeg is not installed: no video was read");
    return;
  }
  CHECK(run({command}).last_error() == "batch: " + video + ": ffmpeg could not read it to its end");
  REQUIRE(run({{"ffmpeg", "-v", "error", "-y", "-loop", "1", "-framerate", "10", "-t", "2", "-i",
                image("shapes.png"), "-c:v", "ffv1", video}})
              .status == 0);
  const BatchAnswers answers(succeed({command}).out);
  REQUIRE(answers.size() == 4);
  CHECK(answers.at(0, "time") == "0");
  CHECK(answers.at(3, "time") == "1.5");
  CHECK(unquoted(answers.at(1, "image")) == video + "#t=0.5");
  CHECK(answers.at(1, "items") == answers.at(0, "items"));
  CHECK(answers.at(1, "items").find("\"kind\":\"box\"") != std::string::npos);
  command[6] = "soon";
  CHECK(run({command}).last_error().find("batch: --every: expected a number") == 0);
}

TEST_CASE("batch input: data: and file: addresses, paths from the requests' folder, no downloads") {
  TemporaryDirectory here;
  std::filesystem::create_directories(here / "set/my photos");
  std::filesystem::copy_file(image("shapes.png"), here / "set/my photos/a.png");
  write(here / "set/in.jsonl",
        {ask("data:image/png;base64," + base64(read_file(image("shapes.png")))),
         ask("file://" + (here / "set/my%20photos/a.png")), ask("my photos/a.png"),
         ask("https://example.org/a.png"), ask("data:image/png;base64,?"), ask("file://a.png")});
  const BatchAnswers answers(succeed(batch_program(here / "set/in.jsonl", "-")).out);
  REQUIRE(answers.size() == 6);
  CHECK(answers.at(0, "image").find("\"data:image/png;digest=") == 0);
  CHECK(answers.at(0, "items").find("\"kind\":\"box\"") != std::string::npos);
  CHECK(answers.at(1, "items") == answers.at(0, "items"));
  CHECK(answers.at(2, "items") == answers.at(0, "items"));
  CHECK(unquoted(answers.at(3, "error")) ==
        "https://example.org/a.png: expected a file, file:// or data: URI, found a web address; pictures are "
        "not "
        "downloaded");
  CHECK(answers.at(4, "error").find("expected base64, found the character '?'") != std::string::npos);
  CHECK(answers.at(5, "error").find("expected file:///PATH") != std::string::npos);
}

TEST_CASE("batch input: options of a line over those of the flags; what is no option is said once") {
  Program program = batch_program("-", "-", {"--generation-mode", "fast"});
  const std::string line = "\"query\":\"ring</c>star\"";
  program.input = ask(image("shapes.png"), line) + "\n" +
                  ask(image("shapes.png"), line + ",\"generation_mode\":\"slow\"") + "\n" +
                  ask(image("shapes.png"), line + ",\"max_tokens\":3") + "\n" +
                  ask(image("shapes.png"), line + ",\"min_score\":0.85") + "\n" +
                  ask(image("shapes.png"), "\"categories\":[\"ring\",\"star\"],\"max_tokns\":3") + "\n" +
                  ask(image("shapes.png"), line + ",\"max_tokns\":4,\"max_tokens\":-1") + "\n";
  const Outcome outcome = succeed(program);
  const BatchAnswers answers(outcome.out);
  REQUIRE(answers.size() == 6);
  CHECK(answers.at(0, "stats").find("\"mode\":\"fast\"") != std::string::npos);
  CHECK(answers.at(1, "stats").find("\"mode\":\"slow\"") != std::string::npos);
  CHECK(answers.at(2, "truncated") == "true");
  CHECK(answers.at(3, "items").find("star") == std::string::npos);
  CHECK(answers.at(3, "items").find("ring") != std::string::npos);
  CHECK(answers.at(4, "items") == answers.at(0, "items"));
  CHECK(answers.at(5, "error").find("--max-tokens: expected a number") == 1);
  const std::string warning = "warning: line 5: \"max_tokns\" is no option";
  CHECK(outcome.err.find(warning) != std::string::npos);
  CHECK(outcome.err.find("max_tokns") == outcome.err.rfind("max_tokns"));
}

TEST_CASE("batch input: forms that do not go together, or not with this output") {
  const std::string program = LA_BUILD_ROOT "/examples/batch";
  const auto last = [](const Program& wrong) {
    const Outcome outcome = run(wrong);
    CHECK(outcome.status == 2);
    return outcome.last_error();
  };
  CHECK(last({{program, "--video", "a", "--requests", "b", "--out", "-"}}) ==
        "batch: --video: takes the place of --requests and --coco-annotations");
  CHECK(last(batch_program("-", "-", {"--format", "coco"})).find("--out: expected a file with --resume") !=
        std::string::npos);
  CHECK(
      last(batch_program("-", "-", {"--query", "a", "--phrase", "b"})).find("--query: takes the place of") !=
      std::string::npos);
  CHECK(last(batch_program("-", "-", {"--keep-errors"})) ==
        "batch: --keep-errors: expected --resume with it");
  CHECK(last(batch_program("-", "-", {"more.jsonl"})) ==
        "batch: expected a flag, found 'more.jsonl'; --help lists them");
}

}  // namespace la::test
