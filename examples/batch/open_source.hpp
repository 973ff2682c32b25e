#pragma once

#include <glob.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "../cli/image_files.hpp"
#include "batch_flags.hpp"
#include "coco_requests.hpp"
#include "request_source.hpp"
#if defined(LA_WITH_ARCHIVE)
#include "tar_requests.hpp"
#endif
#include "video_requests.hpp"

// Which form of input the flags name.
namespace la::cli {

inline bool is_tar(const std::string& path) {
  for (const char* end : {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"})
    if (path.ends_with(end)) return true;
  return false;
}

inline std::unique_ptr<RequestSource> tar_source(std::vector<std::string> paths) {
#if defined(LA_WITH_ARCHIVE)
  return std::make_unique<TarRequests>(std::move(paths));
#else
  fail_usage("--requests: ", paths[0],
             ": this build reads no tar archives; install libarchive-dev and build again");
#endif
}

/// What a pattern such as "photos/*.jpg" finds, by name.
inline std::vector<std::string> glob_paths(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths;
  if (status == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

/// error: (usage) pictures without a question; a folder or pattern without pictures
inline std::unique_ptr<RequestSource> source_of_path(const std::string& path, bool asks) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<std::string> paths;
  if (path == "-") return std::make_unique<LineRequests>(path);
  if (fs::is_directory(path, ignored)) {
    paths = images_of(path);
  } else if (!fs::exists(path, ignored) && path.find_first_of("*?[") != path.npos) {
    paths = glob_paths(path);
    std::erase_if(paths, [](const std::string& p) { return !is_image(p) && !is_tar(p); });
    if (!paths.empty() && is_tar(paths[0])) {
      std::erase_if(paths, [](const std::string& p) { return !is_tar(p); });
      return tar_source(std::move(paths));
    }
    std::erase_if(paths, [](const std::string& p) { return !is_image(p); });
  } else if (is_tar(path)) {
    return tar_source({path});
  } else if (is_image(path)) {
    paths = {path};
  } else {
    return std::make_unique<LineRequests>(path);
  }
  require(!paths.empty(), path, ": expected pictures, found none");
  if (!asks)
    fail_usage("--requests: ", path,
               " holds pictures alone; expected --phrase, --categories, --query or --task");
  return std::make_unique<ImageRequests>(std::move(paths));
}

inline std::unique_ptr<RequestSource> open_source(const BatchFlags& flags) {
  const bool asks = !flags.question.empty();
  if (!flags.video.empty()) {
    if (!asks) fail_usage("--video: expected --phrase, --categories, --query or --task with it");
    require(std::filesystem::exists(flags.video), flags.video, ": could not be opened");
    return std::make_unique<VideoRequests>(flags.video, flags.every);
  }
  if (!flags.coco_annotations.empty()) {
    const std::filesystem::path folder = flags.requests.empty()
                                             ? std::filesystem::path(flags.coco_annotations).parent_path()
                                             : std::filesystem::path(flags.requests);
    return std::make_unique<CocoRequests>(CocoAnnotations::open(flags.coco_annotations), folder, asks);
  }
  return source_of_path(flags.requests, asks);
}

/// Where relative paths in lines are looked for first.
inline std::filesystem::path folder_of_requests(const BatchFlags& flags) {
  std::error_code ignored;
  if (!flags.video.empty() || !flags.coco_annotations.empty() || flags.requests == "-" ||
      !std::filesystem::is_regular_file(flags.requests, ignored) || is_tar(flags.requests) ||
      is_image(flags.requests))
    return {};
  return std::filesystem::path(flags.requests).parent_path();
}

}  // namespace la::cli
