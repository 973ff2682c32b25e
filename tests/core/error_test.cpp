#include "../../la/core/error.hpp"

#include "../support.hpp"

namespace {

std::string message_of(const std::string& text) {
  return la::Error(text).what();
}

}  // namespace

TEST_CASE("error: what a file says cannot break the line of a message") {
  CHECK(message_of("a\nb\tc\x7f\r") == "a?b?c??");
  CHECK(message_of(std::string("a\0b", 3)) == "a?b");
  CHECK(message_of("Größe 日本 😀") == "Größe 日本 😀");
}

TEST_CASE("error: of a text of 100 MB the two ends are told, cut between characters") {
  const std::string message =
      message_of("file: merge \"" + std::string(100'000'000, 'x') + "\": expected two tokens");
  CHECK(message.size() < 4096);
  CHECK(message.starts_with("file: merge \"xxx"));
  CHECK(message.ends_with("xxx\": expected two tokens"));
  CHECK(message.find(" ... ") != std::string::npos);
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    while (text.size() < 8000) text += "😀";
    const std::string cut = message_of(text);
    const std::size_t gap = cut.find(" ... ");
    CHECK((gap - shift) % 4 == 0);
    CHECK((cut.size() - gap - 5) % 4 == 0);
    CHECK(cut[gap + 5] == '\xf0');
  }
  CHECK(message_of(std::string(3000, 'y')) == std::string(3000, 'y'));
}

TEST_CASE("error: kinds") {
  CHECK(la::Error("x").kind() == la::ErrorKind::failed);
  CHECK_THROWS_AS(la::fail_usage("x"), la::Error);
  try {
    la::fail_usage("n ", 3);
  } catch (const la::Error& error) {
    CHECK(error.kind() == la::ErrorKind::usage);
    CHECK(std::string(error.what()) == "n 3");
  }
}
