#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "../cli/label_font.hpp"
#include "../cli/model_flags.hpp"
#include "../cli/question_flags.hpp"
#include "shard.hpp"
#include "video_requests.hpp"

namespace la::cli {

inline constexpr std::array<std::string_view, 6> kFormats{"jsonl",       "coco", "yolo",
                                                          "labelstudio", "cvat", "csv"};

/// The file beside a COCO results file that tells what its numbers stand for.
inline std::string coco_ids_path(const std::string& results) {
  return results + ".ids.json";
}

struct BatchFlags {
  ModelFlags model;
  QuestionFlags question;
  FontFlag font;
  std::string requests, coco_annotations, video, out, annotate_dir;
  std::vector<std::string> formats, shard_files;
  double every = 1;
  i64 batch_size = 8, kv_budget_mb = 2048;
  bool resume = false, force = false, keep_errors = false, merge = false;
  std::string shard_text;
  Shard shard;
  std::string options;  ///< the flags given that change answers, as a JSON object

  void add_to(Flags& flags) {
    flags.text(
        "--requests", "PATH",
        "a file of lines, one JSON object each: image and query, or image, task and phrase or categories, "
        "any option, id; - is stdin; or a picture, a folder, a pattern in quotes, WebDataset tars",
        requests);
    flags.text(
        "--coco-annotations", "FILE",
        "its pictures, each asked for all its categories; --requests names their folder [that of FILE]",
        coco_annotations);
    flags.text("--video", "FILE", "frames of it, by the ffmpeg program", video);
    flags.text("--every", "S", "between frames, as 0.5s or 500ms [1s]",
               [this](const std::string& v) { every = parse_seconds("--every", v); });
    flags.text("--out", "PATH", "one answer a line, in the order of the requests; - is stdout", out);
    flags.text("--format", "NAME,...",
               "jsonl, coco, yolo, labelstudio, cvat, csv. One: OUT is of it (its answers are in OUT.jsonl). "
               "Several: OUT is the lines, the others are named after it [jsonl]",
               [this](const std::string& v) { add_formats(v); });
    flags.text("--annotate-dir", "DIR", "a PNG of each answered line, with the answers drawn in",
               annotate_dir);
    font.add_to(flags);
    flags.number<i64>("--batch-size", "requests that run at once [8]", batch_size, 1, 4096);
    flags.number<i64>("--kv-budget", "MiB for keys and values; requests wait until they fit [2048]",
                      kv_budget_mb, 1, i64{1} << 30);
    flags.on("--resume", "go on where an earlier run was stopped; lines that failed are tried again", resume);
    flags.on("--keep-errors", "with --resume: but not those", keep_errors);
    flags.on("--force",
             "replace outputs; with --resume: though another model or other options answered before", force);
    flags.text(
        "--shard", "I/N",
        "answer each Nth line, from I (0 to N-1), into a file of its own; off [of Slurm, Kubernetes, "
        "torchrun, Open MPI or PMI, where these start the program; I/N or auto/N where they tell no N]",
        shard_text);
    flags.on("--merge", "join the files of shards, named or found beside OUT, into what one run would write",
             merge);
    flags.arguments([this](const std::string& v) { shard_files.push_back(v); });
    question.add_to(flags);
    model.add_to(flags);
  }

  bool only(std::string_view format) const { return formats.size() == 1 && formats[0] == format; }
  bool several() const { return formats.size() > 1; }

  /// The file that answers are written to as they come, of this shard.
  std::string answers_path() const {
    const std::string path =
        out == "-" || formats.empty() || several() || only("jsonl") ? out : out + ".jsonl";
    return path == "-" || merge ? path : shard_path(path, shard);
  }
  /// The file, or of YOLO the folder, of a format made from the answers.
  std::string format_path(const std::string& format) const {
    if (!several()) return out;
    const std::string stem = out.ends_with(".jsonl") ? out.substr(0, out.size() - 6) : out;
    if (format == "yolo") return stem + ".yolo";
    if (format == "csv") return stem + ".csv";
    return stem + "." + format + (format == "cvat" ? ".xml" : ".json");
  }
  /// What is made from the answers when all are there: a shard leaves that to --merge.
  std::vector<std::string> made_formats() const {
    std::vector<std::string> made = formats;
    std::erase(made, "jsonl");
    if (shard.count > 1 && !merge) made.clear();
    return made;
  }

  void check() const {
    const int inputs = int(!video.empty()) + int(!requests.empty() || !coco_annotations.empty());
    if (inputs == 0) fail_usage("--requests: expected a file of requests, a folder or -");
    if (inputs > 1) fail_usage("--video: takes the place of --requests and --coco-annotations");
    if (out.empty()) fail_usage("--out: expected a file for the answers");
    if (!shard_files.empty() && !merge)
      fail_usage("expected a flag, found '", shard_files[0], "'; --help lists them");
    if (!font.path.empty() && annotate_dir.empty()) fail_usage("--font: expected --annotate-dir with it");
    if (keep_errors && !resume) fail_usage("--keep-errors: expected --resume with it");
    if (out == "-" && (resume || merge || std::any_of(formats.begin(), formats.end(), [](const auto& f) {
                         return f != "jsonl";
                       })))
      fail_usage("--out: expected a file with --resume, --merge and formats other than jsonl, found -");
  }

  /// The part of the lines that the flags or the environment tell.
  void take_shard() {
    if (merge) return;
    shard = find_shard(shard_text);
    if (out == "-" && shard.count > 1) fail_usage("--out: expected a file with shards, found -");
  }

  /// What of the command line changes answers, for the lines of answers to say.
  void note_options(const Flags::Given& given) {
    ModelFlags scratch;
    Flags answer;
    scratch.add_answer_to(answer);
    for (const auto& [name, value] : given) {
      if (!answer.has(name) && name != "--activations") continue;
      std::string key = name.substr(2);
      std::replace(key.begin(), key.end(), '-', '_');
      options +=
          (options.empty() ? "{" : ",") + json_quote(key) + ":" + json_quote(value.empty() ? "true" : value);
    }
    options = options.empty() ? "{}" : options + "}";
  }

 private:
  void add_formats(const std::string& names) {
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, ',');) {
      if (std::find(kFormats.begin(), kFormats.end(), name) == kFormats.end())
        fail_usage("--format: expected jsonl, coco, yolo, labelstudio, cvat or csv, found '", name, "'");
      if (std::find(formats.begin(), formats.end(), name) == formats.end()) formats.push_back(name);
    }
  }
};

}  // namespace la::cli
