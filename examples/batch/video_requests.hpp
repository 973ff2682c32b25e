#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "request_source.hpp"

extern char** environ;

namespace la::cli {

/// "0.5s", "500ms" or "0.5": seconds.
inline double parse_seconds(const std::string& flag, const std::string& text) {
  std::string number = text;
  double scale = 1;
  if (number.ends_with("ms")) {
    number.resize(number.size() - 2);
    scale = 1e-3;
  } else if (number.ends_with("s")) {
    number.pop_back();
  }
  return scale * Flags::parse_number<double>(flag, number, 1e-3, 1e6);
}

/// Frames of a video at fixed intervals, decoded by the ffmpeg program, which must be installed.
class VideoRequests : public RequestSource {
 public:
  /// error: ffmpeg cannot be started
  VideoRequests(const std::string& path, double every) : path_(path), every_(every) {
    char rate[64];
    std::snprintf(rate, sizeof rate, "fps=1/%.9g:round=near", every);
    // "file:" so that ffmpeg takes the name as a name, whatever it looks like.
    std::vector<std::string> command{"ffmpeg",       "-nostdin", "-v", "error", "-i",
                                     "file:" + path, "-vf",      rate, "-f",    "image2pipe",
                                     "-c:v",         "bmp",      "-"};
    std::vector<char*> arguments;
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    int pipe[2];
    require(::pipe2(pipe, O_CLOEXEC) == 0, "--video: no pipe could be made: ", std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    const int failure = ::posix_spawnp(&process_, "ffmpeg", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    if (failure != 0) ::close(pipe[0]);
    require(failure == 0, "--video: expected the program ffmpeg, found none: ", std::strerror(failure));
    frames_ = ::fdopen(pipe[0], "rb");
  }
  VideoRequests(const VideoRequests&) = delete;
  VideoRequests& operator=(const VideoRequests&) = delete;
  ~VideoRequests() override {
    if (frames_) std::fclose(frames_);  // an ffmpeg that still writes ends by it
    if (process_ > 0) ::waitpid(process_, nullptr, 0);
  }

  std::optional<RequestText> next() override {
    std::string bytes(6, '\0');  // a BMP file tells its size in bytes 2 to 5
    const std::size_t head = std::fread(bytes.data(), 1, bytes.size(), frames_);
    if (head == 0) {
      finish();
      return std::nullopt;
    }
    std::uint32_t size = 0;
    for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(bytes[std::size_t(2 + i)]);
    require(head == 6 && bytes.starts_with("BM") && size > 6, path_, ": expected a frame of ffmpeg, found ",
            "something else");
    bytes.resize(size);
    require(std::fread(bytes.data() + 6, 1, size - 6, frames_) == size - 6, path_,
            ": a frame of ffmpeg ends early");
    char time[32];
    std::snprintf(time, sizeof time, "%.9g", double(count_++) * every_);
    return RequestText{"{\"image\":" + json_quote(path_ + "#t=" + time) + ",\"time\":" + time + "}",
                       std::move(bytes), count_};
  }

 private:
  void finish() {
    int status = 0;
    ::waitpid(std::exchange(process_, 0), &status, 0);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0, path_, ": ffmpeg could not read it to its end");
    require(count_ > 0, path_, ": expected frames, found none");
  }

  std::string path_;
  double every_;
  pid_t process_ = 0;
  std::FILE* frames_ = nullptr;
  i64 count_ = 0;
};

}  // namespace la::cli
