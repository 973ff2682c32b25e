// Answers many questions about many pictures: `batch --requests in.jsonl --out out.jsonl`.

#include <iostream>
#include <memory>
#include <new>

#include "batch/formats/write_formats.hpp"
#include "batch/merge.hpp"
#include "batch/model_stamp.hpp"
#include "batch/open_source.hpp"
#include "batch/outputs.hpp"
#include "batch/request_queue.hpp"
#include "batch/summary.hpp"
#include "batch/worker.hpp"
#include "cli/progress.hpp"
#include "cli/run_main.hpp"
#include "cli/stop_signals.hpp"

namespace la::cli {
namespace {

/// Whether the flags asked for something that needs no model.
bool print_information(const BatchFlags& flags, const Flags& parser) {
  if (flags.model.help)
    std::cout
        << "batch: answers many questions about many pictures\n\n"
        << parser.help()
        << "\nExit codes: 0 done (lines may hold errors), 1 failed or all lines did, 2 wrong usage, 130 "
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

/// The answers that are there already, for --resume.
AnswerIndex earlier_answers(const BatchFlags& flags, const std::string& stamp) {
  AnswerIndex index;
  std::error_code ignored;
  if (!flags.resume || !std::filesystem::is_regular_file(flags.answers_path(), ignored)) return index;
  index.read(flags.answers_path(), true);
  check_stamps(index, stamp, flags.force);
  return index;
}

/// One run over the requests of this shard. The exit code, when nothing stops it.
int answer(const BatchFlags& flags, const LineDefaults& defaults, RequestSource& source,
           const SessionOptions& options, StopToken stop) {
  const std::string directory = flags.model.directory();
  Session session = Session::open(directory, options);
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  const std::string stamp = model_stamp(directory, session.weight_format(), flags.options);
  Worker worker(session, {defaults, stamp, flags.annotate_dir, flags.batch_size, stop});
  AnswerLog log(flags.answers_path(), flags.resume, earlier_answers(flags, stamp));
  RequestQueue queue(source, flags.shard, defaults, log, flags.keep_errors);
  BatchProgress progress(flags.shard.count == 1 ? count_requests(flags.requests) : 0);
  Summary summary;
  worker.run([&] { return queue.next(); },
             [&](Reply&& reply) {
               summary.add(reply.outcome, reply.malformed);
               log.put(reply.index, reply.digest, reply.number, is_failure(reply.outcome),
                       std::move(reply.line));
               progress.advance();
             });
  progress.finish();
  log.flush_early();
  const bool stopped = stop.stop_requested();
  if (!stopped) summary.foreign = log.finish();
  summary.before = queue.before();
  summary.print(std::cerr, progress.seconds());
  require(stopped || queue.seen() > 0, flags.requests, ": expected requests, found none");
  return summary.all_failed() ? 1 : 0;
}

/// The exit code.
int run(int argc, char** argv) {
  BatchFlags flags;
  Flags parser;
  flags.add_to(parser);
  flags.note_options(parser.parse(argc, argv));
  if (print_information(flags, parser)) return 0;
  require_dry(flags.model);
  SessionOptions session_options = flags.model.session_options();
  session_options.kv_budget_bytes = std::size_t(flags.kv_budget_mb) << 20;
  // What is wrong with the flags is said before a model is opened.
  static_cast<void>(flags.model.ask_options(Task::detect));
  if (flags.model.dry) {
    const std::string directory = flags.model.directory();
    print_summary(directory, std::cout);
    if (flags.model.check) check_values(directory, std::cout, std::cerr);
    check_written(std::cout);
    return 0;
  }
  flags.check();
  const LineDefaults defaults{flags.model, flags.question.members(), folder_of_requests(flags)};
  StopSignals signals;
  flags.take_shard();
  check_outputs(flags);
  if (flags.merge) {
    merge_shards(flags, defaults);
    write_formats(flags);
    return 0;
  }
  const auto source = open_source(flags);
  if (flags.shard.count > 1)
    std::cerr << "shard " << flags.shard.index << " of " << flags.shard.count << ", by "
              << flags.shard.told_by << ": " << flags.answers_path() << "\n";
  const int status = answer(flags, defaults, *source, session_options, signals.token());
  if (signals.signal() != 0) return 128 + signals.signal();
  write_formats(flags);
  return status;
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("batch", [&] { return la::cli::run(argc, argv); });
}
