// Lines of the batch program: a request, and an answer file that --resume picks up, torn or not.
#include "examples/batch/answer_index.hpp"
#include "examples/batch/answer_line.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  static const fuzz::Scratch scratch;
  static simdjson::dom::parser parser, again;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const cli::RequestLine line = cli::read_request(parser, {text, {}, 3}, {});
  fuzz::require_that(!line.error.empty() || (line.task && !line.question.text().empty()),
                     "a line has a question or an error");
  fuzz::require_that(again.parse("{" + line.fields + "\"x\":0}").error() == simdjson::SUCCESS,
                     "the fields that are echoed are JSON");
  Result result;
  result.error = line.error;
  fuzz::require_that(again.parse(cli::answer_line(line, result, "\"model\":{}")).error() == simdjson::SUCCESS,
                     "an answer is JSON");
  scratch.write("answers.jsonl", text);
  fuzz::accepted([] {
    const auto read = [] {
      cli::AnswerIndex index;
      index.read(scratch / "answers.jsonl", true);
      return index.entries().size();
    };
    const std::size_t before = read();
    fuzz::require_that(read() == before, "what is left is whole");
  });
  return 0;
}
