// Text through the bundled tokenizer, literal and interpreted, and through the prompt's templates.
#include "fuzz.hpp"
#include "la/text/special_tokens.hpp"
#include "la/text/prompt.hpp"
#include "la/text/task.hpp"
#include "la/text/tokenizer.hpp"
#include "la/text/unicode.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  static const Tokenizer tokenizer = Tokenizer::load(fuzz::source("data/shapes"));
  fuzz::Input input(data, size);
  const auto task = Task(input.byte() % 8);
  const std::uint8_t choice = input.byte();
  const Reading reading = choice & 1 ? Reading::literal : Reading::interpreted;
  const std::string text(input.rest());

  const std::string valid = to_valid_utf8(text);
  fuzz::require_that(to_valid_utf8(valid) == valid, "valid text stays");
  fuzz::require_that(fuzz::accepted([&] { tokenizer.encode(PromptText(text, reading)); }) == (valid == text),
                     "what is not UTF-8 is refused");
  const auto ids = tokenizer.encode(PromptText(valid, reading));
  for (const std::int32_t id : ids)
    fuzz::require_that(id >= 0 && id < tokenizer.vocabulary_size(), "ids are inside the vocabulary");
  const std::string normal = tokenizer.decode(ids);
  if (reading == Reading::literal) {
    fuzz::require_that(nfc(to_code_points(normal)) == to_code_points(normal), "the text comes back in NFC");
    fuzz::require_that(tokenizer.encode(PromptText(normal, reading)) == ids, "and gives the same ids");
  }

  SpecialTokens special;
  special.image = 555;
  fuzz::accepted([&] {
    const std::vector<std::int64_t> rows((choice >> 1 & 3), 1 + (choice >> 3));
    const PromptText asked = choice & 0x80 ? PromptText(text) : question(task, text, reading);
    const Prompt prompt = build_prompt(tokenizer, special, asked, rows);
    const auto images = std::count(prompt.ids.begin(), prompt.ids.end(), special.image);
    std::int64_t expected = 0;
    for (const ImageSpan& span : prompt.images) expected += span.count;
    fuzz::require_that(images == expected, "only pictures have the token of their rows");
  });
  fuzz::accepted([&] { detect_categories(text); });
  return 0;
}
