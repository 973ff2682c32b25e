#include <algorithm>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "../../la/image/load.hpp"
#include "../../la/ops/forwarding_ops.hpp"
#include "same_results.hpp"

// The next token or block is asked for before this one is read: answers are the same, and what was asked for in vain has no
// trace.
namespace la::test {
namespace {

/// A backend that says that it comes back before it is done. Values that were not waited for are not there.
class BehindOps final : public ForwardingOps {
 public:
  struct Counts {
    i64 ahead = 0, passes = 0, failing = 0;
    i64 blocks = 0;  // that were followed
    i64 started = 0, read = 0;
    bool order_kept = true;  // a pass ahead was asked for before the one before it was read
  };
  BehindOps(std::unique_ptr<Ops> ops, std::shared_ptr<Counts> counts)
      : ForwardingOps(std::move(ops)), counts_(std::move(counts)) {}

  bool runs_behind() const noexcept override { return true; }
  void embed_best(const Weight& table, ConstMatrix summaries, std::span<const std::int32_t> rows,
                  Matrix y) override {
    counts_->order_kept &= counts_->read < counts_->started;
    ++counts_->ahead;
    if (counts_->failing > 0 && --counts_->failing == 0) throw std::bad_alloc();
    inner().embed_best(table, summaries, rows, y);
  }
  void follow_blocks(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                     const SpecialTokens& special, const BlockFeed& feed) override {
    counts_->blocks += i64(blocks.size());
    inner().follow_blocks(summaries, blocks, special, feed);
  }
  void embedding(const Weight& table, std::span<const std::int32_t> ids, Matrix y) override {
    ++counts_->passes;
    inner().embedding(table, ids, y);
  }
  std::unique_ptr<Download> start_download(ConstMatrix x) override {
    ++counts_->started;
    return std::make_unique<Late>(inner().start_download(x), counts_);
  }

 private:
  class Late final : public Download {
   public:
    Late(std::unique_ptr<Download> inner, std::shared_ptr<Counts> counts)
        : inner_(std::move(inner)), counts_(std::move(counts)) {}
    std::span<const float> wait() override {
      ++counts_->read;
      return inner_->wait();
    }

   private:
    std::unique_ptr<Download> inner_;
    std::shared_ptr<Counts> counts_;
  };
  std::shared_ptr<Counts> counts_;
};

Session open_behind(const char* checkpoint, const std::shared_ptr<BehindOps::Counts>& counts,
                    int threads = 1) {
  SessionOptions options;
  options.threads = threads;
  options.wrap_ops = [&](std::unique_ptr<Ops> ops) {
    return std::make_unique<BehindOps>(std::move(ops), counts);
  };
  return Session::open(source(checkpoint), options);
}
Session open_plain(const char* checkpoint) {
  SessionOptions options;
  options.threads = 1;
  return Session::open(source(checkpoint), options);
}

/// Answers of several lengths, which end by themselves or at a limit; modes and samplings that go ahead beside some that do
/// not, if wanted.
std::vector<Request> requests(Mode mode, bool mixed = false) {
  const PromptText questions[] = {question(Task::detect, "green cross</c>pink ring"),
                                  question(Task::ground_multi, "red circle"),
                                  question(Task::point, "black letter Y")};
  std::vector<Request> all;
  for (const char* name : {"00", "03", "amb19"})
    for (i64 i = 0; i < 3; ++i) {
      Request& request = all.emplace_back();
      request.images.push_back(source(std::string("tests/goldens/shapes/images/") + name + ".png"));
      request.question = questions[i];
      GenerationOptions& generation = request.options.generation;
      generation.mode = mode;
      generation.speculate = false;
      generation.max_new_tokens = i == 1 ? 400 : 7 + 6 * i64(all.size() % 3);
      if (!mixed) continue;
      if (all.size() % 4 == 1) generation.mode = mode == Mode::hybrid ? Mode::slow : Mode::hybrid;
      if (all.size() % 4 == 2) generation.speculate = true;
      if (all.size() % 4 == 3) generation.sampling.temperature = 0.7f, generation.sampling.seed = all.size();
    }
  return all;
}

void check_same_in_as_many_passes(const std::vector<Result>& got, const std::vector<Result>& want) {
  check_same_results(got, want);
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i].forward_steps == want[i].forward_steps);
}

}  // namespace

TEST_CASE(
    "ahead: one answer, of which each token but the first was asked for before the one before it was read") {
  Session plain = open_plain("data/shapes");
  for (const i64 limit : {5, 400}) {
    CAPTURE(limit);
    std::vector<Request> one(1, requests(Mode::slow)[1]);
    one[0].options.generation.max_new_tokens = limit;
    const auto want = plain.batch(one);
    const auto counts = std::make_shared<BehindOps::Counts>();
    Session session = open_behind("data/shapes", counts);
    check_same_in_as_many_passes(session.batch(one), want);
    CHECK(session.statistics().passes == want[0].forward_steps);
    CHECK(counts->passes == 1);
    CHECK(counts->order_kept);
    // Where the model ends there was one more; that the limit comes is known.
    CHECK(want[0].stop == (limit == 5 ? StopReason::max_tokens : StopReason::eos));
    CHECK(counts->ahead == want[0].forward_steps - (limit == 5));
    CHECK(counts->read == want[0].forward_steps);
    CHECK(session.statistics().asked_ahead == counts->ahead);
    CHECK(session.statistics().taken_ahead == want[0].forward_steps - 1);
  }
}

TEST_CASE(
    "ahead: one answer, of which each block but the first was asked for before the one before it was read") {
  Session plain = open_plain("data/shapes");
  for (const i64 limit : {20, 400}) {
    CAPTURE(limit);
    std::vector<Request> one(1, requests(Mode::fast)[1]);
    one[0].question =
        question(Task::detect, "green cross</c>pink ring</c>red circle</c>blue ring</c>black letter Y");
    one[0].options.generation.max_new_tokens = limit;
    const auto want = plain.batch(one);
    const auto counts = std::make_shared<BehindOps::Counts>();
    Session session = open_behind("data/shapes", counts);
    check_same_in_as_many_passes(session.batch(one), want);
    const Statistics statistics = session.statistics();
    CHECK(want[0].forward_steps > 3);
    CHECK(statistics.passes == want[0].forward_steps);
    CHECK(counts->order_kept);
    CHECK(statistics.asked_ahead == counts->ahead);
    // Less than a block before the limit nothing is asked for that may not be due.
    CHECK(want[0].stop == (limit == 20 ? StopReason::max_tokens : StopReason::eos));
    CHECK(statistics.taken_ahead == statistics.asked_ahead - (limit == 400));
    if (limit == 400) CHECK(statistics.taken_ahead == want[0].forward_steps - 1);
    CHECK(counts->passes + statistics.taken_ahead == want[0].forward_steps);
  }
}

TEST_CASE("ahead: answers are the same in any batch, and beside rows that cannot go ahead") {
  i64 switches = 0;
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"})
    for (const Mode mode : {Mode::slow, Mode::fast, Mode::hybrid})
      for (const bool mixed : {false, true}) {
        CAPTURE(checkpoint);
        CAPTURE(int(mode));
        CAPTURE(mixed);
        BatchOptions alone;
        alone.batch_size = 1;
        Session plain = open_plain(checkpoint);
        const auto want = plain.batch(requests(mode, mixed), alone);
        for (const Result& result : want) switches += result.switches_to_ar;
        for (const i64 batch : {1, 2, 3, 9}) {
          CAPTURE(batch);
          const auto counts = std::make_shared<BehindOps::Counts>();
          Session session = open_behind(checkpoint, counts, 2);
          BatchOptions options;
          options.batch_size = batch;
          check_same_in_as_many_passes(session.batch(requests(mode, mixed), options), want);
          if (!mixed || batch == 1) CHECK(counts->ahead > 0);
          if (!mixed) CHECK((mode == Mode::slow) == (counts->blocks == 0));
          CHECK(counts->order_kept);
          CHECK(session.statistics().taken_ahead <= session.statistics().asked_ahead);
        }
      }
  CHECK(switches > 0);  // blocks that were followed in vain
}

TEST_CASE("ahead: rows that are stopped, and a pass ahead that fails, cost the others nothing") {
  Session plain = open_plain("data/shapes");
  BatchOptions options;
  options.batch_size = 3;
  for (const Mode mode : {Mode::slow, Mode::fast}) {
    CAPTURE(int(mode));
    const i64 until = mode == Mode::slow ? 4 : 2;
    const auto want = plain.batch(requests(mode), options);
    for (const i64 failing : {0, 1, 4}) {
      CAPTURE(failing);
      const auto counts = std::make_shared<BehindOps::Counts>();
      Session session = open_behind("data/shapes", counts);
      counts->failing = failing;
      std::vector<Request> some = requests(mode);
      StopSource stop;
      some[1].options.stop = stop.get_token();
      i64 steps = 0;
      some[1].options.on_tokens = [&](std::span<const std::int32_t>) {
        if (++steps == until) stop.request_stop();
      };
      auto got = session.batch(some, options);
      CHECK(got[1].stop == StopReason::cancelled);
      CHECK(got[1].forward_steps == until);
      CHECK(std::equal(got[1].token_ids.begin(), got[1].token_ids.end(), want[1].token_ids.begin()));
      got[1] = want[1];
      check_same_in_as_many_passes(got, want);
      check_same_in_as_many_passes(session.batch(requests(mode), options), want);
      CHECK((failing == 0 || counts->failing == 0));
    }
  }
}

TEST_CASE("ahead: several threads share a session") {
  Session plain = open_plain("data/shapes");
  const Mode modes[] = {Mode::slow, Mode::fast, Mode::hybrid};
  const auto counts = std::make_shared<BehindOps::Counts>();
  Session session = open_behind("data/shapes", counts);
  std::vector<std::vector<Result>> got(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] {
      BatchOptions options;
      options.batch_size = 1 + i64(i);
      got[i] = session.batch(requests(modes[i]), options);
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < got.size(); ++i) check_same_results(got[i], plain.batch(requests(modes[i])));
}

TEST_CASE("ahead: nobody asks ahead where the host has something to decide") {
  for (const Mode mode : {Mode::slow, Mode::fast, Mode::hybrid})
    for (const int what : {0, 1, 2, 3}) {
      CAPTURE(int(mode));
      CAPTURE(what);
      const auto counts = std::make_shared<BehindOps::Counts>();
      Session session = open_behind("data/shapes", counts);
      std::vector<Request> one(1, requests(mode)[1]);
      AskOptions& options = one[0].options;
      if (what == 0) options.generation.sampling.temperature = 0.5f;
      if (what == 1) options.generation.sampling.repetition_penalty = 1.1f;
      if (what == 2) options.on_logits = [](ConstMatrix) {};
      if (what == 3) options.generation.max_new_tokens = mode == Mode::slow ? 1 : 6;
      CHECK(session.batch(one)[0].error == "");
      CHECK(counts->ahead == 0);
    }
}

}  // namespace la::test
