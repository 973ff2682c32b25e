// Answers many questions about many pictures: `batch --requests in.jsonl --out out.jsonl`.

#include <unistd.h>

#include <iostream>
#include <map>
#include <new>

#include "cli/answer_file.hpp"
#include "cli/coco.hpp"
#include "cli/model_flags.hpp"
#include "cli/progress.hpp"
#include "cli/request_lines.hpp"
#include "cli/run_main.hpp"
#include "cli/stop_signals.hpp"

namespace la::cli {
namespace {

struct BatchFlags {
  ModelFlags model;
  std::string requests, out, format = "jsonl";
  i64 batch_size = 8, kv_budget_mb = 2048;
  bool resume = false;

  void add_to(Flags& flags) {
    flags.text("--requests", "PATH",
               "one JSON object a line: image and query, or image, task and phrase; id is echoed", requests);
    flags.text("--out", "PATH", "one answer a line, in the order of the requests", out);
    flags.text("--format", "NAME",
               "jsonl, or coco: a COCO results file, made from the answers in OUT.jsonl [jsonl]", format);
    flags.number<i64>("--batch-size", "requests that run at once [8]", batch_size, 1, 4096);
    flags.number<i64>("--kv-budget", "MiB for keys and values; requests wait until they fit [2048]",
                      kv_budget_mb, 1, i64{1} << 30);
    flags.on("--resume", "go on where an earlier run was stopped", resume);
    model.add_to(flags);
  }

  bool coco() const noexcept { return format == "coco"; }
  /// The file that answers are written to as they come.
  std::string answers_path() const { return coco() ? out + ".jsonl" : out; }

  void check() const {
    if (requests.empty()) fail_usage("--requests: expected a file of requests");
    if (out.empty()) fail_usage("--out: expected a file for the answers");
    if (format != "jsonl" && !coco()) fail_usage("--format: expected jsonl or coco, found '", format, "'");
    std::error_code ignored;
    if (std::filesystem::equivalent(requests, answers_path(), ignored))
      fail_usage("--out: expected another file than --requests, found ", out);
  }
};

/// Whether the flags asked for something that needs no model.
bool print_information(const BatchFlags& flags, const Flags& parser) {
  if (flags.model.help)
    std::cout << "batch: answers many questions about many pictures\n\n"
              << parser.help()
              << "\nExit codes: 0 done (lines may hold errors), 1 failed, 2 wrong usage, 130 "
              << "interrupted: the file is whole, --resume goes on.\n";
  else if (flags.model.version)
    std::cout << "batch (la) " << LA_VERSION << "\n";
  else if (flags.model.isa == "list")
    print_isas(std::cout);
  else
    return false;
  check_written(std::cout);
  return true;
}

/// One run over the file of requests.
class BatchRun {
 public:
  BatchRun(const BatchFlags& flags, Session& session, StopToken stop)
      : flags_(flags),
        session_(session),
        stop_(std::move(stop)),
        reader_(flags.requests),
        answered_(flags.resume ? read_answers(flags.answers_path()) : Answered{}),
        answers_(flags.answers_path(), flags.resume),
        progress_(count_requests(flags.requests)) {
    for (const auto& [key, times] : answered_) skipped_ += times;
  }

  void run() {
    BatchOptions options;
    options.batch_size = flags_.batch_size;
    options.on_result = [this](i64 index, const Result& result) { write(index, result); };
    session_.batch([this] { return next(); }, options);
    progress_.finish();
    std::cerr << answers_.written() << " answered, " << errors_ << " of them with an error";
    if (flags_.resume) std::cerr << ", " << skipped_ << " answered before";
    std::cerr << "; " << truncated_ << " truncated, " << looped_ << " looped, " << malformed_
              << " malformed, " << none_ << " none; " << progress_.seconds() << " s\n";
  }

 private:
  struct Open {
    RequestLine line;
    Mode mode;
  };

  std::optional<Request> next() {
    while (!stop_.stop_requested()) {
      std::optional<RequestLine> line = reader_.next();
      if (!line) break;
      if (const auto found = answered_.find(line->key); found != answered_.end() && found->second > 0) {
        --found->second;
        progress_.skip();
        continue;
      }
      const i64 index = asked_++;
      Request request;
      if (line->error.empty()) {
        request.images.push_back(line->image);
        request.question = line->question;
        request.categories = line->categories;
        request.options = flags_.model.ask_options(*line->task);
      }
      request.options.stop = stop_;
      request.load = flags_.model.load_options();
      request.max_side = flags_.model.max_image_side;
      open_[index] = {std::move(*line), request.options.generation.mode};
      return request;
    }
    return std::nullopt;
  }

  void write(i64 index, const Result& result) {
    const auto node = open_.extract(index);
    const auto& [line, mode] = node.mapped();
    if (result.stop == StopReason::cancelled && result.ok()) return;  // it is asked again by --resume
    Result shown = result;
    if (!line.error.empty()) shown.error = line.error;
    errors_ += !shown.ok();
    if (shown.ok()) count(shown);
    answers_.put(index, answer_line(line, shown, mode));
    progress_.advance();
  }

  /// What an answer that looks like any other may hide.
  void count(const Result& result) {
    truncated_ += result.truncated();
    looped_ += result.stop == StopReason::loop;
    malformed_ += result.warnings.size() > std::size_t(result.truncated());
    none_ += std::none_of(result.items.begin(), result.items.end(),
                          [](const Item& item) { return item.kind != Item::Kind::none; });
  }

  const BatchFlags& flags_;
  Session& session_;
  StopToken stop_;
  RequestReader reader_;
  Answered answered_;
  AnswerFile answers_;
  BatchProgress progress_;
  std::map<i64, Open> open_;
  i64 asked_ = 0, errors_ = 0, skipped_ = 0;
  i64 truncated_ = 0, looped_ = 0, malformed_ = 0, none_ = 0;
};

/// The exit code.
int run(int argc, char** argv) {
  BatchFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (print_information(flags, parser)) return 0;
  flags.check();
  require_dry(flags.model);
  SessionOptions session_options = flags.model.session_options();
  session_options.kv_budget_bytes = std::size_t(flags.kv_budget_mb) << 20;
  static_cast<void>(
      flags.model.ask_options(Task::detect));  // what is wrong with them is said before a model is opened
  const std::string directory = flags.model.directory();
  if (flags.model.dry) {
    print_summary(directory, std::cout);
    if (flags.model.check) check_values(directory, std::cout, std::cerr);
    check_written(std::cout);
    return 0;
  }
  StopSignals signals;
  Session session = Session::open(directory, session_options);
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  BatchRun(flags, session, signals.token()).run();
  if (flags.coco()) write_coco(flags.answers_path(), flags.out);
  return signals.signal() == 0 ? 0 : 128 + signals.signal();
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("batch", [&] { return la::cli::run(argc, argv); });
}
