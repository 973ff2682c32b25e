// Asks the same question about frame after frame of a camera, or of a folder of pictures in its place.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/flags.hpp"
#include "cli/image_files.hpp"
#include "cli/model_flags.hpp"
#include "cli/report.hpp"
#include "cli/run_main.hpp"
#include "cli/stop_signals.hpp"
#include "la/la.hpp"

#if __has_include(<linux/videodev2.h>)
#include "camera/v4l2_camera.hpp"
#define LA_WITH_V4L2
#endif

namespace la::cli {
namespace {

struct CameraFlags {
  ModelFlags model;
  std::string camera, frames, phrase = "object", categories;
  i64 width = 640, height = 480, count = 0;

  void add_to(Flags& flags) {
    flags.text("--camera", "DEVICE", "of Video4Linux [/dev/video0]", camera);
    flags.text("--frames", "FOLDER", "its pictures, by name, in place of a camera", frames);
    flags.number<i64>("--width", "asked of the camera [640]", width, 1, 1 << 14);
    flags.number<i64>("--height", "asked of the camera [480]", height, 1, 1 << 14);
    flags.number<i64>("--count",
                      "stop after so many frames; a folder begins anew [a camera: never; a folder: once]",
                      count, 1, i64{1} << 40);
    flags.text("--phrase", "TEXT", "what to look for [object]", phrase);
    flags.text("--categories", "A,B", "detect all of these instead", categories);
    model.add_to(flags);
  }
};

/// The next frame, which stays until the next call; nothing at the end.
using NextFrame = std::function<std::optional<ImageView>()>;

NextFrame frames_of_folder(const CameraFlags& flags) {
  require(std::filesystem::is_directory(flags.frames), flags.frames, ": expected a folder of pictures");
  std::vector<std::string> paths = images_of(flags.frames);
  require(!paths.empty(), flags.frames, ": expected at least one picture, found none");
  return [paths = std::move(paths), again = flags.count > 0, load = flags.model.load_options(),
          at = std::size_t{0}, image = std::make_shared<Image>()]() mutable -> std::optional<ImageView> {
    if (at == paths.size() && !again) return std::nullopt;
    *image = load_image(paths[at++ % paths.size()], load);
    return *image;
  };
}

NextFrame frames_of_camera([[maybe_unused]] const CameraFlags& flags,
                           [[maybe_unused]] const StopToken& stop) {
#if defined(LA_WITH_V4L2)
  const std::string device = flags.camera.empty() ? "/dev/video0" : flags.camera;
  auto camera = std::make_shared<V4l2Camera>(device, flags.width, flags.height);
  return [camera, stop] { return camera->next(stop); };
#else
  fail_usage("--camera: this build has no Video4Linux; expected --frames FOLDER");
#endif
}

Request question_of(const CameraFlags& flags) {
  Request request;
  if (flags.categories.empty())
    request.question = question(Task::ground_single, flags.phrase);
  else
    request.categories = category_names(flags.categories, ",");
  request.options = flags.model.ask_options(flags.categories.empty() ? Task::ground_single : Task::detect);
  request.max_side = flags.model.max_image_side;
  return request;
}

int run(int argc, char** argv) {
  CameraFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (flags.model.help) {
    std::cout << "camera: finds things in one frame after another\n\n" << parser.help();
    return 0;
  }
  if (!flags.camera.empty() && !flags.frames.empty())
    fail_usage("--frames: give --camera or --frames, not both");
  const StopSignals signals;
  Request request = question_of(flags);
  request.options.stop = signals.token();
  SessionOptions options = flags.model.session_options();
  options.image_cache_bytes = 0;  // no frame comes again
  options.kept_prefixes = 0;
  const NextFrame next =
      flags.frames.empty() ? frames_of_camera(flags, signals.token()) : frames_of_folder(flags);
  Session session = Session::open(flags.model.directory(), options);
  print_device(flags.model, session, std::cerr);

  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto rate = [&](i64 frames) {
    char text[64];
    std::snprintf(text, sizeof text, "%.3f frames a second",
                  double(frames) / std::chrono::duration<double>(Clock::now() - start).count());
    return std::string(text);
  };
  i64 done = 0;
  while (!signals.signal() && (flags.count == 0 || done < flags.count)) {
    const std::optional<ImageView> frame = next();
    if (!frame) break;
    request.images.assign(1, *frame);
    const Result result = session.ask(request);
    if (result.stop == StopReason::cancelled) break;
    ++done;
    std::cout << "frame " << done << ": " << result.width << "x" << result.height << ", " << rate(done)
              << "\n";
    print_text(result, std::cout);
    check_written(std::cout);
  }
  std::cerr << done << " frames, " << rate(done) << "\n";
  return signals.signal() ? 128 + signals.signal() : 0;
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("camera", [&] { return la::cli::run(argc, argv); });
}
