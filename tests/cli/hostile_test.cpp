#include <algorithm>
#include <simdjson.h>

#include <csignal>
#include <thread>

#include "../image/image_files.hpp"
#include "ground_answer.hpp"

// What people feed to programs: every one of these ends with an exit code and a line that says why.
namespace la::test {
namespace {

void check_failure(const Outcome& outcome, int status, const std::vector<std::string>& parts) {
  INFO(outcome.err);
  CHECK(outcome.status == status);
  const std::string line = outcome.last_error();
  for (const std::string& part : parts) CHECK_MESSAGE(line.find(part) != std::string::npos, part);
}

/// Runs the batch program on these lines; its answers.
std::vector<std::string> batch(const std::vector<std::string>& requests) {
  TemporaryDirectory here;
  {
    std::ofstream out(here / "in.jsonl", std::ios::binary);
    for (const std::string& line : requests) out << line << "\n";
  }
  const Outcome outcome = run({{LA_BUILD_ROOT "/examples/batch", "--model-dir", source("data/shapes"),
                                "--requests", here / "in.jsonl", "--out", here / "out.jsonl"}});
  INFO(outcome.err);
  std::vector<std::string> answers;
  std::istringstream lines(read_file(here / "out.jsonl"));
  for (std::string line; std::getline(lines, line);) answers.push_back(line);
  const bool all_failed = std::all_of(answers.begin(), answers.end(), [](const std::string& line) {
    return line.find("\"error\":") != std::string::npos;
  });
  CHECK(outcome.status == (all_failed ? 1 : 0));
  REQUIRE(answers.size() == requests.size());
  return answers;
}

std::string request(const std::string& fields) {
  return "{\"image\":\"" + source("data/pictures/shapes.png") + "\"," + fields + "}";
}

/// The error of an answer line, empty when there is none.
std::string error_of(const std::string& line) {
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  REQUIRE_MESSAGE(!parser.parse(line).get(answer), line.substr(0, 200));
  std::string_view error;
  if (answer["error"].get(error)) return "";
  return std::string(error);
}

void copy_bundled(const TemporaryDirectory& to) {
  std::filesystem::copy(source("data/shapes"), to.str());
}

}  // namespace

TEST_CASE("hostile: --dry --check names the tensors with infinities or NaN and exits with 1") {
  TemporaryDirectory model;
  copy_bundled(model);
  CHECK(ground({"--model-dir", model.str(), "--dry", "--check"}).status == 0);
  CHECK(ground({"--model-dir", model.str(), "--dry", "--check"}).out.find("all finite") != std::string::npos);
  {
    std::fstream file(model / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-2, std::ios::end);
    file << std::string("\xc0\x7f", 2);
  }
  const Outcome found = ground({"--model-dir", model.str(), "--dry", "--check"});
  check_failure(found, 1, {"ground: " + model.str() + ": expected finite values, found others in 1 tensor"});
  CHECK(found.err.find(model / "model.safetensors: tensor \"") != std::string::npos);
  CHECK(found.err.find("1 value is not finite, the first at [") != std::string::npos);
  CHECK(ground({"--model-dir", model.str(), "--dry"}).status == 0);  // reads no weight
  check_failure(ground({"--check"}), 2, {"--check", "--dry"});
}

TEST_CASE("hostile: a tokenizer with ids outside the vocabulary") {
  TemporaryDirectory model;
  copy_bundled(model);
  std::string bytes = read_file(model / "tokenizer.json");
  const std::string last = "{\"id\": 1568, \"content\": \"</c>\"";
  REQUIRE(bytes.find(last) != std::string::npos);
  bytes.replace(bytes.find(last), last.size(), "{\"id\": 4000000, \"content\": \"</c>\"");
  std::ofstream(model / "tokenizer.json", std::ios::binary) << bytes;
  for (const char* flag : {"--dry", "--json"})
    check_failure(
        ground({"--model-dir", model.str(), flag}), 1,
        {model.str(), "expected token ids below vocab_size 1569, found a tokenizer with 4000001 tokens"});
}

TEST_CASE("hostile: a checkpoint cut short while batch uses it, error lines and no signal") {
  TemporaryDirectory here;
  const Outcome made = run({{LA_BUILD_ROOT "/examples/quantize", "--model-dir", source("data/shapes"),
                             "--out", here / "packed", "--format", "q8"}});
  REQUIRE_MESSAGE(made.status == 0, made.err);
  constexpr int kRequests = 400;
  {
    std::ofstream out(here / "in.jsonl");
    for (int i = 0; i < kRequests; ++i)
      out << request("\"task\":\"point\",\"phrase\":\"red circle " + std::to_string(i) + "\"") << "\n";
  }
  std::thread cutter([&] {
    for (std::error_code ignored; std::filesystem::file_size(here / "out.jsonl", ignored) + 1 < 2;)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (const auto& entry : std::filesystem::directory_iterator(here / "packed"))
      if (entry.path().extension() == ".safetensors") std::filesystem::resize_file(entry.path(), 5000);
  });
  const Outcome outcome = run({{LA_BUILD_ROOT "/examples/batch", "--model-dir", here / "packed", "--requests",
                                here / "in.jsonl", "--out", here / "out.jsonl", "--threads", "1"}});
  cutter.join();
  INFO(outcome.err);
  CHECK(outcome.status < 128);
  std::istringstream lines(read_file(here / "out.jsonl"));
  std::string last;
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) last = line;
  CHECK(count == kRequests);
  CHECK(error_of(last).find("it was cut short while it was in use") != std::string::npos);
}

TEST_CASE("hostile: pictures of one pixel and of 1x20000") {
  TemporaryDirectory here;
  std::ofstream(here / "one.png", std::ios::binary) << make_png(1, 1, PngColour::rgb, 8, "abc");
  CHECK(ground({"--image", here / "one.png", "--phrase", "red circle", "--max-tokens", "8"}).status == 0);
  std::ofstream(here / "tall.png", std::ios::binary)
      << make_png(1, 20000, PngColour::grey, 8, std::string(20000, 'x'));
  check_failure(ground({"--image", here / "tall.png"}), 1,
                {"picture of 1x20000 pixels: expected fewer than 512 patches a side, found 2x1430"});
  const Outcome shrunk =
      ground({"--image", here / "tall.png", "--max-image-side", "1000", "--max-tokens", "8"});
  CHECK_MESSAGE(shrunk.status == 0, shrunk.err);
}

TEST_CASE("hostile: a phrase of special tokens is literal, a query's are interpreted") {
  const auto prompt_tokens = [](const char* flag, const std::string& text) {
    const Outcome outcome =
        ground({flag, text, "--max-tokens", "6", "--image", source("data/pictures/letters.png")});
    REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
    const std::size_t at = outcome.err.find("prefill ");  // "prefill 0.1 s (77 tokens)"
    REQUIRE(at != std::string::npos);
    return std::stoi(outcome.err.substr(outcome.err.find('(', at) + 1));
  };
  for (const std::string token : {"<box>", "<|im_end|>", "</c>", "<|im_start|>", "<0>"}) {
    CAPTURE(token);
    CHECK(prompt_tokens("--query", "a" + token + "b") == prompt_tokens("--query", "ab") + 1);
    CHECK(prompt_tokens("--phrase", "a" + token + "b") > prompt_tokens("--phrase", "ab") + 1);
  }
}

TEST_CASE("hostile: text that is not UTF-8 is refused with its offset") {
  check_failure(ground({"--phrase", "ab\xff"}), 2, {"not valid UTF-8 at byte offset"});
  check_failure(ground({"--query", "\xed\xa0\x80"}), 2, {"not valid UTF-8 at byte offset 0 of 3"});
  const auto answers = batch({request("\"task\":\"point\",\"phrase\":\"ab\xff\"")});
  CHECK(error_of(answers[0]).find("UTF-8") != std::string::npos);
}

TEST_CASE("hostile: lines of requests") {
  const std::string megabyte(1 << 20, 'e');
  const auto answers =
      batch({request("\"task\":\"point\",\"phrase\":\"red\\u0000circle\""),  // NUL is a character
             request("\"task\":\"point\",\"phrase\":\"" + megabyte + "\""),
             request("\"task\":\"point\",\"phrase\":\"" + std::string(100'000, '<') + "\""),
             request("\"query\":\"" + std::string(1 << 20, '[') + "\""),
             "{\"image\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
             std::string(100'000, '['), "{\"image\":\"" + std::string(1 << 20, '/') + "\",\"query\":\"a\"}",
             "{\"image\":\"a\\u0000b\",\"query\":\"a\"}", "null", request("\"task\":\"point\",\"phrase\":5"),
             request("\"task\":\"point\",\"phrase\":\"" + std::string(100 << 20, 'e') + "\""),
             request("\"task\":\"point\",\"phrase\":\"star\"")});
  CHECK(error_of(answers[0]) == "");
  CHECK(error_of(answers[1]).find("tokens leave no room for an answer, model_max_length is 2048") !=
        std::string::npos);
  CHECK(error_of(answers[2]).find("model_max_length is 2048") != std::string::npos);
  CHECK(error_of(answers[3]).find("model_max_length is 2048") != std::string::npos);
  CHECK(error_of(answers[4]).find("expected a JSON object") == 0);
  CHECK(error_of(answers[5]).find("expected a JSON object") == 0);
  CHECK(error_of(answers[6]).find("File name too long") != std::string::npos);
  CHECK(error_of(answers[7]) != "");
  CHECK(error_of(answers[8]) == "expected a JSON object, found null");
  CHECK(error_of(answers[9]) == "phrase: expected a string, found 5");
  CHECK(error_of(answers[10]) == "expected a line of at most 67108864 bytes");
  CHECK(error_of(answers[11]) == "");
  for (const std::string& line : answers) CHECK(error_of(line).size() < 4096);
}

TEST_CASE("hostile: a question that names one picture a hundred thousand times") {
  std::string question;
  for (int i = 0; i < 100'000; ++i) question += "<image-1>";
  const auto answers = batch({request("\"query\":\"" + question + "\"")});
  CHECK(error_of(answers[0]).find("of 100000 images leave no room for text, model_max_length is 2048") !=
        std::string::npos);
}

}  // namespace la::test
