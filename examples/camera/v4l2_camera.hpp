#pragma once

#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "la/core/error.hpp"
#include "la/core/stop_token.hpp"
#include "la/image/image_view.hpp"

namespace la::cli {

/// A camera of Video4Linux, whose frames are read where the driver puts them.
class V4l2Camera {
 public:
  /// The driver takes the size nearest to that.
  /// error: no such device, one that gives no frames, or none in a format of ImageView
  V4l2Camera(std::string path, i64 width, i64 height) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) fail_system("");
    try {
      choose_format(width, height);
      map_buffers();
      int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
      control(VIDIOC_STREAMON, &type, "start");
    } catch (...) {
      close();
      throw;
    }
  }
  V4l2Camera(const V4l2Camera&) = delete;
  V4l2Camera& operator=(const V4l2Camera&) = delete;
  ~V4l2Camera() { close(); }

  /// The newest frame: what came while the last one was looked at is skipped. It stays until the next call. Nothing
  /// when a stop was asked for.    error: the camera is gone, or gives none for 10 seconds
  std::optional<ImageView> next(const StopToken& stop) {
    if (held_) queue(*std::exchange(held_, std::nullopt));
    constexpr int kWaitMs = 100, kMostWaits = 100;
    for (int waits = 0; !stop.stop_requested();) {
      v4l2_buffer buffer = empty_buffer();
      if (::ioctl(descriptor_, VIDIOC_DQBUF, &buffer) == 0) {
        const bool whole = !(buffer.flags & V4L2_BUF_FLAG_ERROR) && buffer.bytesused >= frame_bytes_;
        if (held_ && whole) queue(*std::exchange(held_, std::nullopt));
        if (whole)
          held_ = buffer;
        else
          queue(buffer);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) fail_system(": frame");
      if (held_) {
        ImageView view = view_;
        view.data = static_cast<const std::uint8_t*>(buffers_[held_->index].first);
        return view;
      }
      pollfd ready{descriptor_, POLLIN, 0};
      if (::poll(&ready, 1, kWaitMs) == 0 && ++waits == kMostWaits)
        fail(path_, ": expected a frame within ", kWaitMs * kMostWaits / 1000, " seconds, found none");
    }
    return std::nullopt;
  }

 private:
  [[noreturn]] void fail_system(const std::string& what) const {
    fail(path_, what, ": ", std::strerror(errno));
  }

  void control(unsigned long request, void* argument, const char* what) const {
    int result;
    do result = ::ioctl(descriptor_, request, argument);
    while (result < 0 && errno == EINTR);
    if (result < 0) fail_system(std::string(": ") + what);
  }

  static v4l2_buffer empty_buffer() {
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    return buffer;
  }

  void queue(v4l2_buffer buffer) const { control(VIDIOC_QBUF, &buffer, "buffer"); }

  /// The first that the driver takes.
  void choose_format(i64 width, i64 height) {
    constexpr std::array<std::pair<std::uint32_t, PixelFormat>, 6> kFormats{
        {{V4L2_PIX_FMT_NV12, PixelFormat::nv12},
         {V4L2_PIX_FMT_YUYV, PixelFormat::yuyv},
         {V4L2_PIX_FMT_RGB24, PixelFormat::rgb},
         {V4L2_PIX_FMT_BGR24, PixelFormat::bgr},
         {V4L2_PIX_FMT_XBGR32, PixelFormat::bgrx},
         {V4L2_PIX_FMT_GREY, PixelFormat::grey}}};
    for (const auto& [code, format] : kFormats) {
      v4l2_format wanted{};
      wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
      wanted.fmt.pix.width = std::uint32_t(width);
      wanted.fmt.pix.height = std::uint32_t(height);
      wanted.fmt.pix.pixelformat = code;
      wanted.fmt.pix.field = V4L2_FIELD_NONE;
      control(VIDIOC_S_FMT, &wanted, "format");
      const v4l2_pix_format& given = wanted.fmt.pix;
      if (given.pixelformat != code) continue;
      view_ = {nullptr, given.width, given.height, given.bytesperline, format};
      const i64 rows = format == PixelFormat::nv12 ? view_.height + (view_.height + 1) / 2 : view_.height;
      frame_bytes_ = std::size_t(view_.stride * rows);
      return;
    }
    fail(path_,
         ": expected frames as nv12, yuyv, rgb, bgr, bgrx or grey, found a camera that gives none of them");
  }

  void map_buffers() {
    v4l2_requestbuffers request{};
    request.count = 4;
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = V4L2_MEMORY_MMAP;
    control(VIDIOC_REQBUFS, &request, "buffers");
    for (std::uint32_t i = 0; i < request.count; ++i) {
      v4l2_buffer buffer = empty_buffer();
      buffer.index = i;
      control(VIDIOC_QUERYBUF, &buffer, "buffer");
      require(buffer.length >= frame_bytes_, path_, ": expected buffers of ", frame_bytes_, " bytes, found ",
              buffer.length);
      void* memory =
          ::mmap(nullptr, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, buffer.m.offset);
      if (memory == MAP_FAILED) fail_system(": buffer");
      buffers_.emplace_back(memory, buffer.length);
      queue(buffer);
    }
  }

  void close() noexcept {
    for (const auto& [memory, size] : buffers_) ::munmap(memory, size);
    ::close(descriptor_);
  }

  std::string path_;
  int descriptor_ = -1;
  ImageView view_;
  std::size_t frame_bytes_ = 0;
  std::vector<std::pair<void*, std::size_t>> buffers_;
  std::optional<v4l2_buffer> held_;
};

}  // namespace la::cli
