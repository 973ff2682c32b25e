#include <algorithm>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "../../la/image/load.hpp"
#include "../../la/ops/forwarding_ops.hpp"
#include "same_results.hpp"

// The next token is asked for before this one is read: answers are the same, and what was asked for in vain has no trace.
namespace la::test {
namespace {

/// A backend that says that it comes back before it is done. Values that were not waited for are not there.
class BehindOps final : public ForwardingOps {
 public:
  struct Counts {
    i64 ahead = 0, passes = 0, failing = 0;
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
std::vector<Request> requests(bool mixed) {
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
      generation.mode = Mode::slow;
      generation.speculate = false;
      generation.max_new_tokens = i == 1 ? 400 : 7 + 6 * i64(all.size() % 3);
      if (!mixed) continue;
      if (all.size() % 4 == 1) generation.mode = Mode::hybrid;
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
    std::vector<Request> one(1, requests(false)[1]);
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
  }
}

TEST_CASE("ahead: answers are the same in any batch, and beside rows that cannot go ahead") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"})
    for (const bool mixed : {false, true}) {
      CAPTURE(checkpoint);
      CAPTURE(mixed);
      BatchOptions alone;
      alone.batch_size = 1;
      Session plain = open_plain(checkpoint);
      const auto want = plain.batch(requests(mixed), alone);
      for (const i64 batch : {1, 2, 3, 9}) {
        CAPTURE(batch);
        const auto counts = std::make_shared<BehindOps::Counts>();
        Session session = open_behind(checkpoint, counts, 2);
        BatchOptions options;
        options.batch_size = batch;
        check_same_in_as_many_passes(session.batch(requests(mixed), options), want);
        if (!mixed || batch == 1) CHECK(counts->ahead > 0);
        CHECK(counts->order_kept);
      }
    }
}

TEST_CASE("ahead: rows that are stopped, and a pass ahead that fails, cost the others nothing") {
  Session plain = open_plain("data/shapes");
  BatchOptions options;
  options.batch_size = 3;
  const auto want = plain.batch(requests(false), options);
  for (const i64 failing : {0, 1, 4}) {
    CAPTURE(failing);
    const auto counts = std::make_shared<BehindOps::Counts>();
    Session session = open_behind("data/shapes", counts);
    counts->failing = failing;
    std::vector<Request> some = requests(false);
    StopSource stop;
    some[1].options.stop = stop.get_token();
    i64 tokens = 0;
    some[1].options.on_tokens = [&](std::span<const std::int32_t>) {
      if (++tokens == 4) stop.request_stop();
    };
    auto got = session.batch(some, options);
    CHECK(got[1].stop == StopReason::cancelled);
    CHECK(got[1].token_ids.size() == 4);
    CHECK(std::equal(got[1].token_ids.begin(), got[1].token_ids.end(), want[1].token_ids.begin()));
    got[1] = want[1];
    check_same_in_as_many_passes(got, want);
    check_same_in_as_many_passes(session.batch(requests(false), options), want);
  }
}

TEST_CASE("ahead: several threads share a session") {
  Session plain = open_plain("data/shapes");
  const auto want = plain.batch(requests(false));
  const auto counts = std::make_shared<BehindOps::Counts>();
  Session session = open_behind("data/shapes", counts);
  std::vector<std::vector<Result>> got(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] {
      BatchOptions options;
      options.batch_size = 1 + i64(i);
      got[i] = session.batch(requests(false), options);
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& results : got) check_same_in_as_many_passes(results, want);
}

TEST_CASE("ahead: nobody asks ahead where the host has something to decide") {
  for (const int what : {0, 1, 2, 3, 4}) {
    CAPTURE(what);
    const auto counts = std::make_shared<BehindOps::Counts>();
    Session session = open_behind("data/shapes", counts);
    std::vector<Request> one(1, requests(false)[1]);
    AskOptions& options = one[0].options;
    if (what == 0) options.generation.mode = Mode::fast;
    if (what == 1) options.generation.mode = Mode::hybrid;
    if (what == 2) options.generation.sampling.temperature = 0.5f;
    if (what == 3) options.generation.sampling.repetition_penalty = 1.1f;
    if (what == 4) options.on_logits = [](ConstMatrix) {};
    CHECK(session.batch(one)[0].error == "");
    CHECK(counts->ahead == 0);
  }
}

}  // namespace la::test
