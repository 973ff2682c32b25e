#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "../core/inline.hpp"
#include "sequence.hpp"

namespace la::inline LA_ABI {

/// The next request, or nothing when there are no more. It is called when a place is free.
using RequestSource = std::function<std::optional<Request>()>;

/// Why a source gives no request: there is none yet, or there are no more.
enum class Absent { for_now, for_good };
using NextRequest = std::variant<Request, Absent>;
/// Whether a source may wait until it has a request: it may when nothing runs meanwhile.
enum class Wait { no, yes };
/// A source to which requests may come while others run. It is called when a place is free.
using LiveSource = std::function<NextRequest(Wait)>;

/// Keeps up to batch_size rows running. Each step is one forward pass over all of them, rows in blocks and rows that
/// take one token at a time together; a row that ends is replaced at once. What a row computes does not depend on the
/// others. Several schedulers may work on one engine: it is theirs in turn, pass by pass.
///
/// Where ops come back before they are done and each row's next token, or each row's next block, follows from this pass alone,
/// the next pass is asked for before this one is read. When it turns out that it is another, since a row ended or came, or
/// leaves a box to single tokens, what it was to give is dropped: keys and values behind a row's length are never read.
/// Nothing else depends on it.
class Scheduler {
 public:
  /// Takes what becomes of each request, by its number in the order of the source; ends come in any order.
  using Sink = std::function<void(i64 index, Sequence::Outcome&&)>;

  Scheduler(Engine& engine, const BatchOptions& options) : engine_(engine), options_(options) {}

  /// Until the source has no more and every row has ended. An error in a request is its own outcome.
  void run(const LiveSource& source, const Sink& sink);

 private:
  /// A pass that was asked for ahead.
  struct Ahead {
    std::vector<Sequence*> sequences{};  // null: it has ended
    bool blocks = false;                 // of each a row, or a block of rows
    Matrix summaries;
    std::unique_ptr<Download> download;
  };
  struct Entry {
    i64 index;
    std::unique_ptr<Sequence> sequence;
  };

  void cancel_stopped();
  bool idle() const;
  Interrupt interrupt_of_all() const;
  void pull(const LiveSource& source, const Sink& sink);
  void prepare(Request request, const Sink& sink);
  void admit();
  bool admit(Sequence& sequence);
  void prefill_common(Sequence& sequence);
  void step();
  std::vector<Sequence*> choose();
  void forward(const std::vector<Sequence*>& pass);
  void ask_ahead(const std::vector<Sequence*>& pass, bool blocks, ConstMatrix summaries,
                 std::span<const std::int32_t> rows);
  Matrix lasting_summaries(i64 rows);
  std::optional<Ahead> take_ahead(const std::vector<Sequence*>& pass);
  void forget_finished();
  void keep_prefix(const Sequence& sequence);
  void deliver(const Sink& sink);

  Engine& engine_;
  const BatchOptions& options_;
  std::deque<Entry> waiting_;  // prepared, and not admitted
  std::vector<Entry> running_;
  i64 pulled_ = 0;
  bool more_ = true;
  std::vector<float> host_;       // logits of one pass, where somebody wants them
  std::vector<float> summaries_;  // of its rows
  std::optional<Ahead> ahead_;
  std::shared_ptr<std::byte> lasting_;  // summaries that the pass behind reads, in the backend's memory
  std::size_t lasting_bytes_ = 0;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "scheduler.cpp"
#endif
