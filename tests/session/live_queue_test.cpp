#include "../../la/session/live_queue.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "../../la/image/load.hpp"
#include "../../la/session/session.hpp"
#include "../support.hpp"

// Requests that come while others run.
namespace la::test {
namespace {

/// Counts down to the results that a test waits for.
class Results {
 public:
  explicit Results(std::size_t count) : results_(count), left_(count) {}

  LiveQueue::OnResult at(std::size_t index) {
    return [this, index](Result&& result) {
      const std::lock_guard lock(mutex_);
      results_[index] = std::move(result);
      order_.push_back(index);
      if (--left_ == 0) all_.notify_all();
    };
  }
  const std::vector<Result>& wait() {
    std::unique_lock lock(mutex_);
    all_.wait(lock, [&] { return left_ == 0; });
    return results_;
  }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  std::vector<Result> results_;
  std::vector<std::size_t> order_;
  std::size_t left_;
};

/// A thread that answers a queue until the end of the test.
class Answering {
 public:
  Answering(Session& session, LiveQueue& queue, const BatchOptions& options = {})
      : queue_(queue), thread_([&session, &queue, options] { session.answer(queue, options); }) {}
  ~Answering() { end(); }
  void end() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
  }

 private:
  LiveQueue& queue_;
  std::thread thread_;
};

Session one_thread() {
  SessionOptions options;
  options.threads = 1;
  return Session::open(source("data/shapes"), options);
}

Request request_of(std::size_t i) {
  static const char* const images[] = {"00", "03", "amb19", "01"};
  static const char* const phrases[] = {"green cross", "red circle", "red star", "pink ring",
                                        "black letter Y"};
  static const Mode modes[] = {Mode::hybrid, Mode::slow, Mode::fast};
  Request request;
  request.images.push_back(
      load_image(source(std::string("tests/goldens/shapes/images/") + images[i % 4] + ".png")));
  request.question = question(Task::ground_multi, phrases[i % 5]);
  request.options.generation.mode = modes[i % 3];
  request.options.generation.max_new_tokens = 32;
  return request;
}

Request empty(const StopToken& stop = {}) {
  Request request;
  request.options.stop = stop;
  return request;
}

/// The entry's answer; nothing runs.
void take(LiveQueue& queue) {
  auto next = queue.take(Wait::yes);
  REQUIRE(std::holds_alternative<LiveQueue::Entry>(next));
  std::get<LiveQueue::Entry>(next).on_result({});
}

}  // namespace

TEST_CASE("live queue: requests from four threads, pushed while others run, get the bits of each alone") {
  constexpr std::size_t kThreads = 4, kEach = 5, kAll = kThreads * kEach;
  Session alone = one_thread();
  std::vector<Result> want;
  for (std::size_t i = 0; i < kAll; ++i) want.push_back(alone.ask(request_of(i)));

  Session session = one_thread();
  LiveQueue queue(kAll);
  Results results(kAll);
  std::vector<std::vector<float>> streamed(kAll);
  std::vector<std::vector<std::int32_t>> ids(kAll);
  {
    const Answering answering(session, queue);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t i = t * kEach; i < (t + 1) * kEach; ++i) {
          Request request = request_of(i);
          request.options.on_item = [&streamed, i](const Item& item) { streamed[i].push_back(item.score); };
          request.options.on_tokens = [&ids, i](std::span<const std::int32_t> added) {
            ids[i].insert(ids[i].end(), added.begin(), added.end());
          };
          CHECK(queue.push(std::move(request), results.at(i), std::to_string(t)) ==
                LiveQueue::Pushed::accepted);
        }
      });
    for (std::thread& thread : threads) thread.join();
    results.wait();
  }
  for (std::size_t i = 0; i < kAll; ++i) {
    CAPTURE(i);
    const Result& got = results.wait()[i];
    CHECK(got.error == "");
    CHECK(got.token_ids == want[i].token_ids);
    CHECK(ids[i] == want[i].token_ids);
    REQUIRE(got.items.size() == want[i].items.size());
    REQUIRE(streamed[i].size() == want[i].items.size());
    for (std::size_t k = 0; k < want[i].items.size(); ++k) {
      CHECK(got.items[k].score == want[i].items[k].score);
      CHECK(got.items[k].box == want[i].items[k].box);
      CHECK(streamed[i][k] == want[i].items[k].score);
    }
  }
  CHECK(session.statistics().max_rows >= 3);
}

TEST_CASE("live queue: a request joins a row that is half way") {
  Session session = one_thread();
  LiveQueue queue(4);
  Results results(2);
  Request first = request_of(0), second = request_of(1);
  first.options.generation.mode = Mode::slow;
  first.options.on_logits = [&, pushed = false](ConstMatrix) mutable {
    if (!std::exchange(pushed, true)) queue.push(std::move(second), results.at(1));
  };
  queue.push(std::move(first), results.at(0));
  const Answering answering(session, queue);
  results.wait();
  CHECK(session.statistics().max_rows == 2);
}

TEST_CASE("live queue: a cancelled row gives its place and its keys and values back") {
  SessionOptions settings;
  settings.threads = 1;
  settings.kept_prefixes = 0;
  Session session = Session::open(source("data/shapes"), settings);
  LiveQueue queue(4);
  Results results(3);
  StopSource one, two;
  Request running = request_of(1), waiting = request_of(2);
  running.options.stop = one.get_token();
  running.options.on_item = [&](const Item&) {
    one.request_stop();
    two.request_stop();
  };
  waiting.options.stop = two.get_token();
  queue.push(std::move(running), results.at(0));
  queue.push(std::move(waiting), results.at(1));
  queue.push(request_of(3), results.at(2));
  BatchOptions options;
  options.batch_size = 1;
  Answering answering(session, queue, options);
  const auto& got = results.wait();
  answering.end();
  CHECK(got[0].stop == StopReason::cancelled);
  CHECK(got[0].items.size() == 1);
  CHECK(got[1].stop == StopReason::cancelled);
  CHECK(got[1].token_ids.empty());
  CHECK(got[2].ok());
  CHECK(got[2].stop != StopReason::cancelled);
  CHECK(session.statistics().kv_bytes == 0);
}

TEST_CASE("live queue: nothing of a request outlives its result while the queue is empty") {
  Session session = one_thread();
  LiveQueue queue(4);
  const auto held = std::make_shared<int>();
  Results results(2);
  for (std::size_t i = 0; i < 2; ++i) {
    Request request = request_of(i);
    if (i == 1) request.categories = {"red circle", "green star"};  // in two parts
    request.options.on_item = [held](const Item&) {};
    queue.push(std::move(request), results.at(i));
  }
  const Answering answering(session, queue);
  results.wait();
  for (int i = 0; i < 500 && held.use_count() > 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(held.use_count() == 1);
}

TEST_CASE("live queue: an error is its request's own") {
  Session session = one_thread();
  LiveQueue queue(4);
  Results results(2);
  Request bad = request_of(0);
  bad.options.generation.max_new_tokens = 0;
  queue.push(std::move(bad), results.at(0));
  queue.push(request_of(1), results.at(1));
  const Answering answering(session, queue);
  CHECK(results.wait()[0].error.find("max_new_tokens") == 0);
  CHECK(results.wait()[1].ok());
}

TEST_CASE("live queue: clients take turns, and each one's requests keep their order") {
  LiveQueue queue(8);
  Results results(6);
  for (std::size_t i = 0; i < 4; ++i) queue.push(empty(), results.at(i), "many");
  queue.push(empty(), results.at(4), "few");
  queue.push(empty(), results.at(5), "one");
  for (int i = 0; i < 6; ++i) take(queue);
  CHECK(results.order() == std::vector<std::size_t>{4, 0, 5, 1, 2, 3});
}

TEST_CASE("live queue: a full one refuses, those that were cancelled make room, a closed one ends") {
  LiveQueue queue(2);
  Results results(3);
  StopSource gone;
  CHECK(queue.push(empty(gone.get_token()), results.at(0), "a") == LiveQueue::Pushed::accepted);
  CHECK(queue.push(empty(), results.at(1), "b") == LiveQueue::Pushed::accepted);
  CHECK(queue.push(empty(), results.at(2), "a") == LiveQueue::Pushed::full);
  CHECK(queue.waiting() == 2);
  CHECK(queue.full());
  gone.request_stop();
  CHECK(!queue.full());
  CHECK(results.order() == std::vector<std::size_t>{0});
  CHECK(queue.push(empty(), results.at(2), "a") == LiveQueue::Pushed::accepted);
  CHECK(results.order() == std::vector<std::size_t>{0});
  CHECK(queue.waiting() == 2);
  queue.close();
  CHECK(queue.push(empty(), results.at(0)) == LiveQueue::Pushed::closed);
  take(queue);
  take(queue);
  CHECK(results.wait()[0].stop == StopReason::cancelled);
  CHECK(std::get<Absent>(queue.take(Wait::yes)) == Absent::for_good);
  LiveQueue open(1);
  CHECK(std::get<Absent>(open.take(Wait::no)) == Absent::for_now);
}

}  // namespace la::test
