#include <la/core/error.hpp>
#include <la/text/task.hpp>

#include "../support.hpp"

TEST_CASE("task: every name is that of its task") {
  for (const char* name : {"detect", "ground-single", "ground-multi", "ground-text", "detect-text",
                           "ground-gui", "point", "point-gui"}) {
    CHECK(la::name_of(la::parse_task(name)) == name);
  }
  CHECK(la::parse_task("ground-gui") == la::Task::ground_gui);
}

TEST_CASE("task: an unknown name is refused with the names that exist") {
  CHECK_THROWS_WITH_AS(
      la::parse_task("find"),
      "task: expected one of detect, ground-single, ground-multi, ground-text, detect-text, ground-gui, "
      "point, point-gui; found \"find\"",
      la::Error);
  try {
    la::parse_task("");
    FAIL("expected an error");
  } catch (const la::Error& error) {
    CHECK(error.kind() == la::ErrorKind::usage);
  }
}

TEST_CASE("task: questions") {
  using enum la::Task;
  const auto text = [](la::Task task, const char* phrase) { return la::question(task, phrase).text(); };
  CHECK(text(detect, "a</c>b") == "Locate all the instances that matches the following description: a</c>b.");
  CHECK(text(ground_single, "X") == "Locate a single instance that matches the following description: X.");
  CHECK(text(ground_multi, "X") == "Locate all the instances that match the following description: X.");
  CHECK(text(ground_text, "X") == "Please locate the text referred as X.");
  CHECK(text(detect_text, "ignored") == "Detect all the text in box format.");
  CHECK(text(ground_gui, "X") == "Locate the region that matches the following description: X.");
  CHECK(text(point, "X") == "Point to: X.");
  CHECK(text(point_gui, "X") == "Point to: X.");
  CHECK(text(point, " x. ") == "Point to: x..");  // verbatim but for the blanks at its ends
}

TEST_CASE("task: the phrase is literal, the separator of detect is not") {
  const auto interpreted = [](const la::PromptText& text) {
    std::string out;
    for (const auto& [begin, end] : text.interpreted()) out += text.text().substr(begin, end - begin) + "|";
    return out;
  };
  CHECK(interpreted(la::question(la::Task::point, "a</c>b")) == "Point to: |.|");
  CHECK(interpreted(la::question(la::Task::point, "a</c>b", la::Reading::interpreted)) ==
        "Point to: a</c>b.|");
  CHECK(interpreted(la::question(la::Task::detect, "<box></c>b")) ==
        "Locate all the instances that matches the following description: |</c>|.|");
}

TEST_CASE("task: categories are split at commas and trimmed") {
  CHECK(la::detect_categories("A,B") == "A</c>B");
  CHECK(la::detect_categories("  remote control ,\tcat\n") == "remote control</c>cat");
  CHECK(la::detect_categories("one") == "one");
  CHECK(la::detect_categories(",a,, b,") == "a</c>b");
  CHECK(la::detect_categories("b, a,b ,a") == "b</c>a");
  CHECK(la::category_names("b</c> a</c>b") == std::vector<std::string>{"b", "a"});
  CHECK_THROWS_WITH_AS(la::detect_categories(" , "),
                       "categories: expected names separated by commas, found \" , \"", la::Error);
  CHECK_THROWS_AS(la::detect_categories(""), la::Error);
}

TEST_CASE("prompt text: literal ranges follow what is appended and cut") {
  la::PromptText inner("L1", la::Reading::literal);
  inner.append("i");
  la::PromptText text("ab");
  text.append(inner);
  text.append("L2", la::Reading::literal);
  text.append("", la::Reading::literal);
  CHECK(text.text() == "abL1iL2");
  const auto ranges = text.interpreted();
  REQUIRE(ranges.size() == 2);
  CHECK(ranges[0].end == 2);
  CHECK(ranges[1].begin == 4);
  CHECK(ranges[1].end == 5);
  const la::PromptText part = text.slice(3, 6);
  CHECK(part.text() == "1iL");
  REQUIRE(part.interpreted().size() == 1);
  CHECK(part.interpreted()[0].begin == 1);
  CHECK(part.interpreted()[0].end == 2);
}
