#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "batch_flags.hpp"

// What a run may write to: never to its own inputs, and not over what is there unless told to.
namespace la::cli {

namespace detail {

/// error: the output is this input
inline void refuse_input(const std::string& output, const std::string& input, const char* flag) {
  std::error_code ignored;
  if (!input.empty() && input != "-" && std::filesystem::equivalent(input, output, ignored))
    fail_usage("--out: expected another file than ", flag, ", found ", output);
}

inline bool is_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char head[512];
  file.read(head, sizeof head);
  const std::string_view text(head, std::size_t(file.gcount()));
  return text.find('\0') == text.npos && !text.starts_with("\xff\xd8") && !text.starts_with("\x89PNG");
}

inline bool is_empty(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? std::filesystem::is_empty(path)
                                             : std::filesystem::file_size(path) == 0;
}

}  // namespace detail

/// error: (usage) it is there and holds something
inline void refuse_existing(const std::string& flag, const std::string& path, bool resume, bool force) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const auto status = fs::status(path, ignored);
  const bool folder = fs::is_directory(status);
  if ((!fs::is_regular_file(status) && !folder) || detail::is_empty(path)) return;
  if (!folder && (resume || force) && !detail::is_text(path))
    fail_usage(flag, ": ", path,
               ": expected answers of an earlier run, found a file that is no text; it is left");
  if (!resume && !force)
    fail_usage(flag, ": ", path, " is there already; --resume goes on with it, --force replaces it");
}

/// error: (usage) an output that is an input, or that would replace something
inline void check_outputs(const BatchFlags& flags) {
  std::vector<std::string> outputs{flags.answers_path()};
  for (const std::string& format : flags.made_formats()) {
    outputs.push_back(flags.format_path(format));
    if (format == "coco") outputs.push_back(coco_ids_path(outputs.back()));
  }
  for (const std::string& output : outputs) {
    if (output == "-") continue;
    detail::refuse_input(output, flags.requests, "--requests");
    detail::refuse_input(output, flags.coco_annotations, "--coco-annotations");
    detail::refuse_input(output, flags.video, "--video");
    for (const std::string& shard : flags.shard_files) detail::refuse_input(output, shard, "the shards");
    refuse_existing("--out", output, flags.resume, flags.force);
  }
  if (flags.annotate_dir.empty()) return;
  refuse_existing("--annotate-dir", flags.annotate_dir, flags.resume, flags.force);
  detail::refuse_input(flags.annotate_dir, flags.requests, "--requests");
  std::filesystem::create_directories(flags.annotate_dir);
}

}  // namespace la::cli
