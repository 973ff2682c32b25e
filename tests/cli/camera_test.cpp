#include <filesystem>

#include "../../la/session/session.hpp"
#include "program.hpp"

namespace la::test {
namespace {

Outcome camera(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::string(LA_BUILD_ROOT) + "/examples/camera");
  return run({arguments, {{"LA_MODEL_DIR", source("data/shapes")}}});
}

/// The lines that follow "frame N: ...", frame by frame, without scores.
std::vector<std::string> answers(const std::string& out) {
  std::vector<std::string> frames;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("frame ")) {
      CHECK_MESSAGE(line.starts_with("frame " + std::to_string(frames.size() + 1) + ": "), line);
      CHECK_MESSAGE(line.ends_with(" frames a second"), line);
      double rate = 0;
      REQUIRE(std::sscanf(line.c_str() + line.rfind(", "), ", %lf", &rate) == 1);
      CHECK(rate > 0);
      frames.emplace_back();
    } else {
      REQUIRE(!frames.empty());
      frames.back() += line.substr(0, line.find(" score")) + "\n";
    }
  }
  return frames;
}

std::string expected_answer(Session& session, const std::string& path, const char* phrase) {
  std::string text;
  for (const Item& item : session.ground(session.encode(load_image(path)), phrase).items) {
    char line[200];
    std::snprintf(line, sizeof line, "%s: box %.1f %.1f %.1f %.1f\n", item.label.c_str(), double(item.box[0]),
                  double(item.box[1]), double(item.box[2]), double(item.box[3]));
    text += line;
  }
  return text;
}

}  // namespace

TEST_CASE("camera: a folder in place of a camera, frame by frame, by name") {
  const TemporaryDirectory folder;
  std::filesystem::copy(source("data/pictures/shapes.png"), folder / "2.png");
  std::filesystem::copy(source("data/pictures/crowd.png"), folder / "1.png");
  const Outcome once = camera({"--frames", folder.str(), "--phrase", "red circle"});
  INFO(once.err);
  REQUIRE(once.status == 0);
  Session session = Session::open(source("data/shapes"));
  const std::vector<std::string> expected{expected_answer(session, folder / "1.png", "red circle"),
                                          expected_answer(session, folder / "2.png", "red circle")};
  CHECK(expected[0] != expected[1]);
  CHECK(answers(once.out) == expected);
  CHECK(once.last_error().starts_with("2 frames, "));

  const Outcome again = camera({"--frames", folder.str(), "--phrase", "red circle", "--count", "3"});
  CHECK(answers(again.out) == std::vector<std::string>{expected[0], expected[1], expected[0]});
}

TEST_CASE("camera: what cannot be") {
  const TemporaryDirectory folder;
  CHECK(camera({"--frames", folder.str()}).last_error() ==
        "camera: " + folder.str() + ": expected at least one picture, found none");
  CHECK(camera({"--frames", folder / "none"}).last_error() ==
        "camera: " + (folder / "none") + ": expected a folder of pictures");
  CHECK(camera({"--frames", "a", "--camera", "b"}).status == 2);
  CHECK(camera({"--camera", "/no/such/device"}).last_error() ==
        "camera: /no/such/device: No such file or directory");
  const Outcome no_camera = camera({"--camera", "/dev/null"});
  CHECK(no_camera.status == 1);
  CHECK(no_camera.last_error().starts_with("camera: /dev/null: format: "));
}

}  // namespace la::test
