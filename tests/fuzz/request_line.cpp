// Lines of the batch program: a request, and an answer file that --resume picks up, torn or not.
#include "examples/cli/answer_file.hpp"
#include "examples/cli/request_lines.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  static const fuzz::Scratch scratch;
  static simdjson::dom::parser parser, again;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const cli::RequestLine line = cli::read_request(parser, text, 3);
  fuzz::require_that(!line.error.empty() || (line.task && !line.question.text().empty()),
                     "a line has a question or an error");
  fuzz::require_that(again.parse("{" + line.fields + "\"x\":0}").error() == simdjson::SUCCESS,
                     "the fields that are echoed are JSON");
  Result result;
  result.error = line.error;
  fuzz::require_that(again.parse(cli::answer_line(line, result, Mode::hybrid)).error() == simdjson::SUCCESS,
                     "an answer is JSON");
  scratch.write("answers.jsonl", text);
  fuzz::accepted([] {
    const auto before = cli::read_answers(scratch / "answers.jsonl");
    fuzz::require_that(cli::read_answers(scratch / "answers.jsonl") == before, "what is left is whole");
  });
  return 0;
}
