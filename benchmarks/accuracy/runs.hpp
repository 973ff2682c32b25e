#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cases.hpp"
#include "la/core/error.hpp"
#include "la/session/session.hpp"

// Answers of one format in one mode, kept in a file so that a long measurement can be made piece by piece.
namespace la::scenes {

struct Answer {
  std::vector<std::int32_t> ids;
  std::optional<std::array<float, 4>> box;
  bool valid = false;  ///< ended by itself, with items that can be read, and boxes that have an area

  double iou_with(const Box& truth) const { return box ? iou(*box, truth) : 0; }
};

struct Run {
  std::string format;
  std::string mode;
  std::vector<Answer> answers;
  double seconds = 0;
  std::size_t bytes = 0;
};

inline Answer answer_of(const Result& result) {
  Answer a;
  a.ids = result.token_ids;
  for (const Item& item : result.items)
    if (item.kind == Item::Kind::box && !a.box) a.box = item.box;
  a.valid = result.stop == StopReason::eos && !result.items.empty() && result.warnings.empty();
  if (a.box) a.valid = a.valid && (*a.box)[2] > (*a.box)[0] && (*a.box)[3] > (*a.box)[1];
  return a;
}

struct NamedMode {
  const char* name;
  Mode mode;
};
inline constexpr std::array<NamedMode, 3> kModes{
    {{"slow", Mode::slow}, {"fast", Mode::fast}, {"hybrid", Mode::hybrid}}};

/// Asks about every picture in each of the modes. The vision tower runs once a picture, its time counts for each.
/// The session must keep no prefixes, which would make the later modes look fast.
inline std::vector<Run> measure(Session& session, const std::string& format,
                                const std::vector<NamedMode>& modes, const std::vector<Case>& cases) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<Run> runs;
  for (const NamedMode& m : modes) runs.push_back({format, m.name, {}, 0, session.weight_bytes()});
  for (const Case& c : cases) {
    const Image image = c.image();
    const auto start = Clock::now();
    const EncodedImage encoded = session.encode(image);
    const double vision = seconds_since(start);
    for (std::size_t m = 0; m < modes.size(); ++m) {
      AskOptions ask;
      ask.generation.mode = modes[m].mode;
      ask.generation.max_new_tokens = 64;
      const auto asked = Clock::now();
      runs[m].answers.push_back(answer_of(session.ground(encoded, c.phrase, ask)));
      runs[m].seconds += vision + seconds_since(asked);
    }
  }
  return runs;
}

/// Runs of one set of pictures in a directory: a line for each answer. Its user deletes it when the code changes.
class KeptRuns {
 public:
  /// An empty directory keeps nothing.
  KeptRuns(std::string directory, std::uint64_t seed, int count)
      : directory_(std::move(directory)), prefix_(std::to_string(seed) + "-" + std::to_string(count) + "-") {
    if (!directory_.empty()) std::filesystem::create_directories(directory_);
  }

  void put(const Run& run) const {
    if (directory_.empty()) return;
    std::ofstream out(path(run.format, run.mode), std::ios::trunc);
    out.precision(9);
    out << run.answers.size() << ' ' << run.seconds << ' ' << run.bytes << '\n';
    for (const Answer& a : run.answers) {
      out << a.valid << ' ' << a.box.has_value();
      for (float x : a.box.value_or(std::array<float, 4>{})) out << ' ' << x;
      for (std::int32_t id : a.ids) out << ' ' << id;
      out << '\n';
    }
    require(out.flush().good(), path(run.format, run.mode), ": cannot be written");
  }

  std::optional<Run> find(const std::string& format, const std::string& mode) const {
    std::ifstream in(path(format, mode));
    if (directory_.empty() || !in.good()) return std::nullopt;
    Run run{format, mode, {}, 0, 0};
    std::size_t count = 0;
    std::string line;
    std::getline(in, line);
    std::istringstream(line) >> count >> run.seconds >> run.bytes;
    while (std::getline(in, line)) run.answers.push_back(read_answer(line));
    require(run.answers.size() == count, path(format, mode), ": expected ", count, " answers, found ",
            run.answers.size());
    return run;
  }

 private:
  static Answer read_answer(const std::string& line) {
    std::istringstream in(line);
    Answer a;
    bool boxed = false;
    std::array<float, 4> box{};
    in >> a.valid >> boxed;
    for (float& x : box) in >> x;
    if (boxed) a.box = box;
    for (std::int32_t id; in >> id;) a.ids.push_back(id);
    return a;
  }

  std::string path(const std::string& format, const std::string& mode) const {
    return directory_ + "/" + prefix_ + format + "-" + mode + ".txt";
  }

  std::string directory_, prefix_;
};

/// How far a format's mean IoU is from bf16's, and how far chance alone would move that: both answered the same
/// pictures, so the error is that of the mean of the differences.
struct PairedDifference {
  double mean = 0, standard_error = 0;

  PairedDifference(const std::vector<double>& iou, const std::vector<double>& base) {
    const double n = double(iou.size());
    double squares = 0;
    for (std::size_t i = 0; i < iou.size(); ++i) mean += (iou[i] - base[i]) / n;
    for (std::size_t i = 0; i < iou.size(); ++i) {
      const double d = iou[i] - base[i] - mean;
      squares += d * d;
    }
    if (n > 1) standard_error = std::sqrt(squares / (n - 1) / n);
  }
};

inline void print_head() {
  std::printf("%-14s %-7s %-8s %5s %9s %8s %9s %9s %9s %9s %8s %9s\n", "format", "mode", "class", "n",
              "mean IoU", "- bf16", "std error", "IoU>0.5", "valid", "same ids", "seconds", "weight MB");
}

/// One line of the table: the cases of a class.
inline void print_class(const Run& run, const Run& bf16, const std::vector<Case>& cases, const char* name,
                        bool shapes, bool letters) {
  std::vector<double> found, base;
  int half = 0, valid = 0, same = 0;
  double sum = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (!(cases[i].letter ? letters : shapes)) continue;
    const Answer& a = run.answers[i];
    found.push_back(a.iou_with(cases[i].truth));
    base.push_back(bf16.answers[i].iou_with(cases[i].truth));
    sum += found.back();
    half += found.back() > 0.5;
    valid += a.valid;
    same += a.ids == bf16.answers[i].ids;
  }
  if (found.empty()) return;
  const PairedDifference d(found, base);
  const double n = double(found.size());
  std::printf("%-14s %-7s %-8s %5zu %9.4f %+8.4f %9.4f %8.1f%% %8.2f%% %8.1f%% %8.1f %9.3f\n",
              run.format.c_str(), run.mode.c_str(), name, found.size(), sum / n, d.mean, d.standard_error,
              100.0 * half / n, 100.0 * valid / n, 100.0 * same / n, run.seconds, double(run.bytes) / 1e6);
}

}  // namespace la::scenes
