// Tokenizer files of which one is the input: its first character says which. What they make must encode and decode.
#include "fuzz.hpp"
#include "la/text/tokenizer.hpp"
#include "la/text/unicode.hpp"

namespace {

constexpr const char* kFiles[] = {"tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json",
                                  "tokenizer_config.json"};

const la::fuzz::Scratch& directory() {
  static const la::fuzz::Scratch scratch;
  return scratch;
}

/// A vocabulary of all bytes and two merges, in separate files.
void restore() {
  static const std::string vocabulary = la::fuzz::read_source("tests/fuzz/seeds/tokenizer/vocab.json");
  directory().write("vocab.json", vocabulary);
  directory().write("merges.txt", "#version: 0.2\na b\nab c\n");
  directory().write("tokenizer_config.json", R"({"model_max_length": 77})");
  for (const char* name : {"tokenizer.json", "added_tokens.json"})
    std::filesystem::remove(directory() / name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  fuzz::Input input(data, size);
  restore();
  directory().write(kFiles[input.byte() % std::size(kFiles)], input.rest());
  fuzz::accepted([] {
    const Tokenizer tokenizer = Tokenizer::load(directory().path());
    fuzz::require_that(tokenizer.model_max_length() >= 1, "a sequence has room");
    const std::string text = "abcab <x> it's 42 \xc3\xa9\xf0\x9f\x98\x80\n";
    for (const Reading reading : {Reading::interpreted, Reading::literal}) {
      const std::vector<std::int32_t> ids = tokenizer.encode(PromptText(text, reading));
      for (const std::int32_t id : ids)
        fuzz::require_that(id >= 0 && id < tokenizer.vocabulary_size(), "ids are inside the vocabulary");
      if (reading == Reading::literal)
        fuzz::require_that(tokenizer.decode(ids) == text, "a text survives the round trip");
    }
  });
  return 0;
}
