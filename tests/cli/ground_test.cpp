#include <cstring>
#include "../scenes/images.hpp"
#include "la/image/load.hpp"
#include "la/image/write_png.hpp"
#include "ground_answer.hpp"

using namespace la;
using namespace la::test;
using la::scenes::find;
using la::scenes::iou;

namespace {

const std::string kShapes = source("data/pictures/shapes.png");
const std::string kCrowd = source("data/pictures/crowd.png");
const std::string kLetters = source("data/pictures/letters.png");
const std::string kTurned = source("data/pictures/turned.jpg");

}  // namespace

TEST_CASE("ground: a bare run finds everything in the bundled picture and draws it in colours of its own") {
  TemporaryDirectory here;
  Program program = ground_program({});
  program.directory = here.str();
  const Outcome outcome = run(program);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.err, "wrote out.png"));
  CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') == 4);
  std::istringstream lines(outcome.out);
  std::string line;
  for (const char* name : {"red circle", "green star", "orange triangle", "blue ring"}) {
    REQUIRE(std::getline(lines, line));
    CAPTURE(line);
    std::array<double, 4> box{};
    REQUIRE(line.rfind(name, 0) == 0);
    REQUIRE(std::sscanf(line.c_str() + std::strlen(name), ": box %lf %lf %lf %lf", &box[0], &box[1], &box[2],
                        &box[3]) == 4);
    CHECK(iou(box, find(scenes::shapes_image(), name).box()) > 0.8);
  }
  const Image drawn = load_image(here / "out.png");
  CHECK(drawn.width == 3 * 224);
  CHECK(drawn.height == 3 * 168);
}

TEST_CASE("ground: with any flag nothing is drawn unless asked for") {
  TemporaryDirectory here;
  Program program = ground_program({"--phrase", "red circle"});
  program.directory = here.str();
  CHECK(run(program).status == 0);
  CHECK(std::filesystem::is_empty(here.str()));
}

TEST_CASE("ground: every thing of the bundled pictures is found by its name") {
  for (const auto& [image, scene] :
       {std::pair{kShapes, scenes::shapes_image()}, {kCrowd, scenes::crowd_image()}})
    for (const scenes::Thing& thing : scene.things) {
      const Outcome outcome = ground({"--json", "--image", image, "--phrase", thing.phrase()});
      CHECK_MESSAGE(iou(first_box(outcome), thing.box()) > 0.7, thing.phrase());
    }
}

TEST_CASE("ground: --name=value is --name value, and the last of two counts") {
  const auto ids = ids_of({"--phrase", "green star", "--generation-mode", "slow"});
  CHECK(ids_of({"--phrase=green star", "--generation-mode=slow"}) == ids);
  CHECK(ids_of({"--phrase=green star", "--generation-mode=fast", "--generation-mode=slow"}) == ids);
  CHECK(ids_of({"--query=Locate a single instance that matches the following description: green star.",
                "--generation-mode", "slow"}) == ids);
}

TEST_CASE("ground: every task asks its own question") {
  const auto ask = [](const char* task, const std::string& phrase, const std::string& image) {
    std::vector<std::string> arguments{"--json", "--image", image, "--task", task};
    if (!phrase.empty()) arguments.insert(arguments.end(), {"--phrase", phrase});
    const Outcome outcome = ground(arguments);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.out;
  };
  const auto query = [&](const char* task) {
    return text(Answers(ask(task, "red circle", kShapes))[0], "query");
  };
  CHECK(query("detect") == "Locate all the instances that matches the following description: red circle.");
  CHECK(query("ground-single") ==
        "Locate a single instance that matches the following description: red circle.");
  CHECK(query("ground-multi") ==
        "Locate all the instances that match the following description: red circle.");
  CHECK(query("ground-gui") == "Locate the region that matches the following description: red circle.");

  const Answers letter(ask("ground-text", "R", kLetters));
  CHECK(text(letter[0], "query") == "Please locate the text referred as R.");
  CHECK(iou(numbers(items(letter[0])[0], "box"), std::array{44.4, 90.4, 112.4, 154.9}) > 0.7);

  const Answers letters(ask("detect-text", "", kLetters));
  CHECK(text(letters[0], "query") == "Detect all the text in box format.");
  CHECK(text(letters[0], "mode") == "slow");
  REQUIRE(items(letters[0]).size() == 2);
  CHECK(text(items(letters[0])[0], "label") == "U");
  CHECK(text(items(letters[0])[1], "label") == "R");

  const scenes::Thing circle = find(scenes::shapes_image(), "red circle");
  for (const char* task : {"point", "point-gui"}) {
    const Answers point(ask(task, "red circle", kShapes));
    REQUIRE(items(point[0]).size() == 1);
    CHECK(text(items(point[0])[0], "kind") == "point");
    const std::vector<double> at = numbers(items(point[0])[0], "point");
    CHECK(std::hypot(at[0] - circle.x, at[1] - circle.y) < circle.radius / 2);
  }
}

TEST_CASE("ground: --categories asks for all of them at once") {
  const Outcome outcome =
      ground({"--json", "--image", kCrowd, "--categories", "red circle, blue square,purple star"});
  REQUIRE(outcome.status == 0);
  const Answers answers(outcome.out);
  CHECK(text(answers[0], "query") ==
        "Locate all the instances that matches the following description: red circle</c>blue "
        "square</c>purple star.");
  const std::vector<Json> found = items(answers[0]);
  REQUIRE(found.size() == 3);
  for (const Json& item : found)
    CHECK(iou(numbers(item, "box"), find(scenes::crowd_image(), text(item, "label")).box()) > 0.7);
}

TEST_CASE("ground: several phrases are several answers, each as if asked alone") {
  const Outcome outcome =
      ground({"--json", "--phrase", "red circle", "--phrase", "purple square", "--phrase", "star"});
  REQUIRE(outcome.status == 0);
  const Answers answers(outcome.out);
  REQUIRE(answers.size() == 3);
  CHECK(token_ids(answers[0]) == ids_of({"--phrase", "red circle"}));
  CHECK(token_ids(answers[1]) == ids_of({"--phrase", "purple square"}));
  CHECK(text(items(answers[1])[0], "kind") == "none");
  CHECK(token_ids(answers[2]) == ids_of({"--phrase", "star"}));
  const Outcome plain = ground({"--phrase", "red circle", "--phrase", "purple square"});
  CHECK(plain.out.find("red circle: box ") == 0);
  CHECK(contains(plain.out, "\npurple square: none score 0."));
}

TEST_CASE("ground: a picture from stdin") {
  Program program = ground_program({"--image", "-", "--json", "--phrase", "red circle"});
  program.input = read_file(kShapes);
  const Outcome outcome = run(program);
  CHECK(iou(first_box(outcome), find(scenes::shapes_image(), "red circle").box()) > 0.7);
  CHECK(text(Answers(outcome.out)[0], "image") == "-");
}

TEST_CASE("ground: a JPEG is turned upright unless --no-exif") {
  const Outcome upright = ground({"--json", "--image", kTurned, "--phrase", "pink diamond"});
  CHECK(iou(first_box(upright), find(scenes::turned_image(), "pink diamond").box()) > 0.7);
  const Outcome stored = ground({"--json", "--image", kTurned, "--phrase", "green cross", "--no-exif"});
  REQUIRE(stored.status == 0);
  const Answers a(upright.out), b(stored.out);
  CHECK(integer(a[0], "width") == 168);
  CHECK(integer(a[0], "height") == 140);
  CHECK(integer(b[0], "width") == 140);
  CHECK(integer(b[0], "height") == 168);
}

TEST_CASE("ground: --max-image-side shrinks the work, boxes stay in the picture's pixels") {
  scenes::Scene large = scenes::shapes_image();
  large.width *= 3;
  large.height *= 3;
  for (scenes::Thing& thing : large.things) thing.x *= 3, thing.y *= 3, thing.radius *= 3;
  TemporaryDirectory here;
  write_png(here / "large.png", scenes::render(large, 1));
  const Outcome outcome =
      ground({"--json", "--image", here / "large.png", "--phrase", "red circle", "--max-image-side", "224"});
  CHECK(iou(first_box(outcome), find(large, "red circle").box()) > 0.7);
  const Answers answers(outcome.out);
  CHECK(integer(answers[0], "width") == 672);
  CHECK(numbers(answers[0], "grid") == std::vector<double>{12, 16});
}

TEST_CASE("ground: --annotate changes pixels at every size, and small pictures are enlarged") {
  TemporaryDirectory here;
  const auto sizes = {
      std::array{1, 1, 640, 640}, {30, 200, 120, 800}, {168, 112, 672, 448}, {641, 80, 641, 80}};
  for (const auto& [width, height, drawn_width, drawn_height] : sizes) {
    Image plain(width, height);
    std::fill(plain.pixels.begin(), plain.pixels.end(), std::uint8_t(200));
    write_png(here / "plain.png", plain);
    const Outcome outcome =
        ground({"--image", here / "plain.png", "--phrase", "red circle", "--annotate", here / "a.png"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const Image drawn = load_image(here / "a.png");
    CHECK(drawn.width == drawn_width);
    CHECK(drawn.height == drawn_height);
    CHECK(std::any_of(drawn.pixels.begin(), drawn.pixels.end(), [](std::uint8_t v) { return v != 200; }));
  }
}

TEST_CASE("ground: --font draws labels of any script, the built-in letters only ASCII") {
  TemporaryDirectory here;
  const auto drawn = [&](const std::string& phrase, const std::string& font) {
    const Outcome outcome = ground({"--phrase", phrase, "--annotate", here / "a.png", "--font", font});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return load_image(here / "a.png").pixels;
  };
  const std::string droid = "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf";
  const std::string dejavu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  CHECK(drawn("\u7ea2\u8272", droid) != drawn("\u7ea2\u8272", dejavu));
}

TEST_CASE("ground: --dry checks the checkpoint and tells what it is") {
  const Outcome outcome =
      ground({"--dry", "--model-dir", source("tests/checkpoints/odd"), "--image", "/no/such/picture"});
  REQUIRE(outcome.status == 0);
  for (const char* part : {"tests/checkpoints/odd", "2 files", "untied head", "position grid 6x6"})
    CHECK_MESSAGE(contains(outcome.out, part), part);
}

TEST_CASE("ground: --help has every flag, --version a number") {
  const Outcome help = ground({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  for (const char* flag : {"--model-dir",   "--model-id",       "--image",
                           "--task",        "--phrase",         "--categories",
                           "--query",       "--prompt-style",   "--generation-mode",
                           "--stop",        "--max-tokens",     "--temperature",
                           "--top-p",       "--top-k",          "--repetition-penalty",
                           "--seed",        "--max-image-side", "--weights",
                           "--activations", "--device",         "--isa",
                           "--threads",     "--annotate",       "--font",
                           "--json",        "--warmup",         "--dry",
                           "--max-memory",  "--version",        "--help",
                           "--no-exif",     "--revision"})
    CHECK_MESSAGE(contains(help.out, "\n  " + std::string(flag) + " "), flag);
  const Outcome version = ground({"--version"});
  CHECK(version.status == 0);
  CHECK(contains(version.out, "0.2.0"));
}
