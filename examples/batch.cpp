// Answers many questions about many pictures: `batch --requests in.jsonl --out out.jsonl`.

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>

#include "batch/formats/write_formats.hpp"
#include "batch/merge.hpp"
#include "batch/model_stamp.hpp"
#if defined(LA_WITH_MPI)
#include "batch/mpi_run.hpp"
#endif
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

#if defined(LA_WITH_MPI)
using Ranks = MpiWorld;
#else
struct Ranks;  // there are none
#endif

/// Everything of a run but its lines.
struct Run {
  const BatchFlags& flags;
  const LineDefaults& defaults;
  const std::string stamp;
  StopToken stop;
  Worker worker;
  Ranks* ranks;  ///< null: this process answers alone
};

/// Gives the queue's lines to the worker, or to those of all ranks.
void answer_all(Run& run, RequestQueue& queue, const Worker::Sink& sink) {
  const auto next = [&] { return queue.next(); };
#if defined(LA_WITH_MPI)
  if (run.ranks) {
    Exchange exchange(
        next, [&](const Ticket& ticket) { return line_cost(ticket, run.defaults); }, run.ranks->size(),
        run.flags.batch_size);
    MpiFirstRank first(*run.ranks, exchange, run.worker, run.stamp, run.stop);
    if (first.run(sink))
      std::cerr << run.ranks->size() << " ranks, idle " << double(std::lround(1000 * first.idle())) / 10
                << " %\n";
    return;
  }
#endif
  run.worker.run(next, sink);
}

/// One run over the requests of this shard. The exit code, when nothing stops it.
int answer(Run& run, RequestSource& source) {
  const BatchFlags& flags = run.flags;
  AnswerLog log(flags.answers_path(), flags.resume, earlier_answers(flags, run.stamp),
                run.ranks ? AnswerLog::Order::as_they_come : AnswerLog::Order::of_requests);
  RequestQueue queue(source, flags.shard, run.defaults, log, flags.keep_errors);
  BatchProgress progress(flags.shard.count == 1 ? count_requests(flags.requests) : 0);
  Summary summary;
  answer_all(run, queue, [&](Reply&& reply) {
    summary.add(reply.outcome, reply.malformed);
    log.put(reply.index, reply.digest, reply.number, is_failure(reply.outcome), std::move(reply.line));
    progress.advance();
  });
  progress.finish();
  log.flush_early();
  const bool stopped = run.stop.stop_requested();
  if (!stopped) summary.foreign = log.finish();
  summary.before = queue.before();
  summary.print(std::cerr, progress.seconds());
  require(stopped || queue.seen() > 0, flags.requests, ": expected requests, found none");
  return summary.all_failed() ? 1 : 0;
}

/// Opens the model and answers. Ranks but the first have no source. The exit code.
int answer_requests(const BatchFlags& flags, const LineDefaults& defaults, RequestSource* source,
                    const SessionOptions& options, Ranks* ranks, StopSignals& signals) {
  const std::optional<LabelFont> font = flags.annotate_dir.empty() ? std::nullopt : flags.font.load();
  const std::string directory = flags.model.directory();
  Session session = Session::open(directory, options);
  if (source) {
    for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
    print_device(flags.model, session, std::cerr);
  }
  const std::string stamp = model_stamp(directory, session.weight_format(), flags.options);
  Run run{flags,
          defaults,
          stamp,
          signals.token(),
          Worker(session, {defaults, stamp, flags.annotate_dir, font ? &*font : nullptr, flags.batch_size,
                           signals.token()}),
          ranks};
#if defined(LA_WITH_MPI)
  if (ranks && ranks->rank() > 0) {
    run_mpi_worker(*ranks, run.worker, stamp);
    return 0;
  }
#endif
  return answer(run, *source);
}

#if defined(LA_WITH_MPI)
/// The part of this rank. What fails on one ends all. The exit code.
int run_ranks(const BatchFlags& flags, const LineDefaults& defaults, const SessionOptions& options,
              StopSignals& signals) {
  MpiWorld world;
  if (world.size() == 1 && environment_shard().count > 1)
    fail_usage(
        "batch was started as one of ", environment_shard().count,
        " processes that MPI sees alone: its launcher is not this MPI's; --shard auto does without MPI");
  const auto part = [&] {
    std::unique_ptr<RequestSource> source;
    if (world.rank() == 0) {
      check_outputs(flags);
      source = open_source(flags);
    }
    const int status = answer_requests(flags, defaults, source.get(), options, &world, signals);
    if (signals.signal() != 0) {
      if (world.rank() == 0) world.abort(128 + signals.signal());
      std::_Exit(128 + signals.signal());  // which ends the others, if they got no signal
    }
    if (world.rank() == 0) write_formats(flags);
    return status;
  };
  bool ended = false;
  const std::string name = "batch: rank " + std::to_string(world.rank());
  const int status = run_main(name.c_str(), [&] {
    const int code = part();
    ended = true;
    return code;
  });
  if (!ended) world.abort(status);
  world.finish();
  return status;
}
#endif

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
#if defined(LA_WITH_MPI)
  if (!flags.merge && flags.shard_text.empty() && started_by_mpi())
    return run_ranks(flags, defaults, session_options, signals);
#endif
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
  const int status = answer_requests(flags, defaults, source.get(), session_options, nullptr, signals);
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
