#include <algorithm>

#include "batch_program.hpp"

// Runs of the batch program that go on from earlier ones, and files that must not be lost by it.
namespace la::test {
namespace {

std::string line_of(const std::string& image, const std::string& query = "ring") {
  return "{\"image\":\"" + image + "\",\"query\":\"" + query + "\"}";
}

}  // namespace

TEST_CASE("batch resume: lines that failed are tried again, in their place; --keep-errors leaves them") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl", late = here / "late.png";
  write(in, {line_of(image("shapes.png")), line_of(late), line_of(image("crowd.png"))});
  CHECK(last(batch_program(in, out), 0)
            .find("2 answered (1 with nothing found), 1 failed (1 by the picture); ") == 0);
  std::filesystem::copy_file(image("letters.png"), late);
  const std::string before = read_file(out);
  CHECK(last(batch_program(in, out, {"--resume", "--keep-errors"}), 0)
            .find("0 answered, 0 failed, 3 answered before") == 0);
  CHECK(read_file(out) == before);
  CHECK(contains(last(batch_program(in, out, {"--resume"}), 0),
                 "1 answered (1 with nothing found), 0 failed, 2 answered before"));
  const std::string after = read_file(out);
  CHECK(after == succeed(batch_program(in, "-")).out);
  CHECK(BatchAnswers(after).at(1, "error") == "");
}

TEST_CASE("batch resume: a line is known by its content, wherever it stands and however many were added") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  std::vector<std::string> lines = many_requests(12);
  std::erase_if(lines, [](const std::string& line) { return contains(line, "no-such"); });
  write(in, {lines.begin(), lines.begin() + 6});
  succeed(batch_program(in, out));
  std::reverse(lines.begin(), lines.end());
  write(in, lines);
  CHECK(contains(succeed(batch_program(in, out, {"--resume"})).last_error(), "6 answered before"));
  CHECK(read_file(out) == succeed(batch_program(in, "-")).out);
  // Another question of the same id is another line; the answer to the old one is kept, at the end.
  write(in, {line_of(image("shapes.png"), "star")});
  CHECK(contains(
      succeed(batch_program(in, out, {"--resume"})).last_error(),
      "1 answered, 0 failed, " + std::to_string(lines.size()) + " kept at the end whose requests are gone"));
  CHECK(lines_of(read_file(out)).size() == lines.size() + 1);
  CHECK(contains(lines_of(read_file(out))[0], "\"query\":\"star\""));
}

TEST_CASE("batch resume: answers of another model or other options are named, and refused without --force") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  write(in, {line_of(image("shapes.png")), line_of(image("crowd.png"))});
  succeed(batch_program(in, out, {"--max-tokens", "100"}));
  const std::string before = read_file(out);
  std::string error = last(batch_program(in, out, {"--resume"}), 1);
  CHECK(contains(error, out + ": line 1: expected an answer made with \"model\":{\"name\":\"shapes\""));
  CHECK(contains(error, "\"options\":{}, found "));
  CHECK(contains(error, "\"options\":{\"max_tokens\":\"100\"}; --force goes on all the same"));
  error = last(batch_program(in, out, {"--resume", "--max-tokens", "100", "--weights", "q8"}), 1);
  CHECK(contains(error, "\"weights\":\"q8\""));
  CHECK(read_file(out) == before);
  CHECK(contains(last(batch_program(in, out, {"--resume", "--force"}), 0), "2 answered before"));
  CHECK(read_file(out) == before);
}

TEST_CASE("batch: all lines failed is exit code 1") {
  TemporaryDirectory here;
  write(here / "in.jsonl", {"broken", line_of("/no/such.png")});
  CHECK(last(batch_program(here / "in.jsonl", here / "out.jsonl"), 1)
            .find("0 answered, 2 failed (1 by the request, 1 by the picture); ") == 0);
  CHECK(lines_of(read_file(here / "out.jsonl")).size() == 2);
}

TEST_CASE("batch: the summary counts what was cut and what found nothing") {
  Program program = batch_program("-", "-");
  program.input = line_of(image("letters.png"), "star") + "\n{\"image\":\"" + image("shapes.png") +
                  "\",\"query\":\"ring\",\"max_tokens\":3}\n" + line_of(image("shapes.png")) + "\n";
  CHECK(contains(succeed(program).last_error(), "3 answered (1 with nothing found, 1 truncated"));
}

TEST_CASE("batch overwrite: an output that holds something is refused without --resume or --force") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  write(in, {line_of(image("shapes.png"))});
  succeed(batch_program(in, out));
  const std::string before = read_file(out);
  CHECK(last(batch_program(in, out), 2) ==
        "batch: --out: " + out + " is there already; --resume goes on with it, --force replaces it");
  CHECK(read_file(out) == before);
  write(in, {line_of(image("crowd.png"))});
  succeed(batch_program(in, out, {"--force"}));
  CHECK(lines_of(read_file(out)).size() == 1);
  CHECK(contains(read_file(out), "crowd.png"));
  // The files of formats are outputs too.
  write(here / "out.csv", {"my table"});
  std::filesystem::remove(out);
  CHECK(contains(last(batch_program(in, out, {"--format", "jsonl,csv"}), 2),
                 (here / "out.csv") + " is there already"));
  CHECK(read_file(here / "out.csv") == "my table\n");
  write(here / "out.coco.json.ids.json", {"my numbers"});
  CHECK(contains(last(batch_program(in, out, {"--format", "jsonl,coco"}), 2),
                 (here / "out.coco.json.ids.json") + " is there already"));
  CHECK(read_file(here / "out.coco.json.ids.json") == "my numbers\n");
  std::ofstream(here / "empty.jsonl").flush();
  succeed(batch_program(in, here / "empty.jsonl"));
}

TEST_CASE("batch overwrite: an output that is an input is refused, --force or not") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", photo = here / "photo.png";
  std::filesystem::copy_file(image("shapes.png"), photo);
  write(in, {line_of(photo)});
  const std::string bytes = read_file(photo);
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--force"}, {"--resume"}}) {
    CAPTURE(more.size());
    CHECK(last(batch_program(in, in, more), 2) ==
          "batch: --out: expected another file than --requests, found " + in);
    std::error_code ignored;
    std::filesystem::create_hard_link(in, here / "link", ignored);
    CHECK(last(batch_program(in, here / "link", more), 2) ==
          "batch: --out: expected another file than --requests, found " + (here / "link"));
    last(batch_program(in, photo, more), 2);
  }
  CHECK(lines_of(read_file(in)) == std::vector<std::string>{line_of(photo)});
  CHECK(read_file(photo) == bytes);
  write(here / "instances.json", {R"({"images":[],"categories":[]})"});
  CHECK(contains(last({{LA_BUILD_ROOT "/examples/batch", "--coco-annotations", here / "instances.json",
                        "--out", here / "instances.json", "--force"}},
                      2),
                 "expected another file than --coco-annotations"));
  // A file that is no text is never taken for answers.
  CHECK(contains(last(batch_program(in, photo, {"--force"}), 2), "found a file that is no text; it is left"));
}

TEST_CASE("batch overwrite: drawn pictures go into a folder of their own, one a line") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl", photo = here / "photo.png";
  std::filesystem::copy_file(image("shapes.png"), photo);
  const std::string bytes = read_file(photo);
  write(in, {line_of(photo), line_of(photo, "star"), line_of(image("crowd.png"))});
  succeed(batch_program(in, out, {"--annotate-dir", here / "drawn"}));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(here / "drawn"))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"000001-photo.png", "000002-photo.png", "000003-crowd.png"});
  CHECK(read_file(here / "drawn/000001-photo.png") != bytes);
  const std::string font = "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf";
  succeed(batch_program(in, here / "font.jsonl", {"--annotate-dir", here / "font", "--font", font}));
  CHECK(read_file(here / "font/000001-photo.png") != read_file(here / "drawn/000001-photo.png"));
  CHECK(contains(last(batch_program(in, here / "other.jsonl", {"--font", font}), 2), "--annotate-dir"));
  CHECK(contains(
      last(batch_program(in, here / "other.jsonl", {"--annotate-dir", here / "no", "--font", in}), 1),
      "expected a TrueType"));
  CHECK(contains(last(batch_program(in, here / "other.jsonl", {"--annotate-dir", here / "drawn"}), 2),
                 " is there already"));
  // The folder of the pictures themselves is none for drawn ones.
  write(in, {line_of("photo.png")});
  CHECK(contains(last(batch_program(in, here / "other.jsonl", {"--annotate-dir", here.str(), "--force"}), 1),
                 "1 by the picture"));
  CHECK(contains(read_file(here / "other.jsonl"),
                 "holds the picture photo.png itself; expected another folder"));
  CHECK(read_file(photo) == bytes);
}

}  // namespace la::test
