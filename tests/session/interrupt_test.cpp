#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "../../la/core/stop_token.hpp"
#include "../../la/ops/forwarding_ops.hpp"
#include "../../la/session/session.hpp"
#include "pictures.hpp"

// What a stop ends, what does not wait for a pass, and what is refused before one.
namespace la::test {
namespace {

using namespace std::chrono_literals;

/// What a test does in the midst of a pass, and the work that comes after it.
struct Probe {
  std::function<void()> in_vision, in_language;  // called once each, by the first op of that kind
  i64 linears = 0;                               // since then
};

class ProbedOps final : public ForwardingOps {
 public:
  ProbedOps(std::unique_ptr<Ops> inner, Probe& probe) : ForwardingOps(std::move(inner)), probe_(probe) {}

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    ++probe_.linears;
    ForwardingOps::linear(x, w, y, store);
  }
  void gelu(ConstMatrix x, Gelu kind, Matrix y) override {
    ForwardingOps::gelu(x, kind, y);
    once(probe_.in_vision);
  }
  void swiglu(ConstMatrix gate_up, Matrix y) override {
    ForwardingOps::swiglu(gate_up, y);
    once(probe_.in_language);
  }

 private:
  void once(std::function<void()>& hook) {
    if (!hook) return;
    std::exchange(hook, {})();
    probe_.linears = 0;
  }
  Probe& probe_;
};

Session probed(Probe& probe, const std::string& checkpoint = source("data/shapes"),
               SessionOptions options = {}) {
  options.threads = 1;
  options.image_cache_bytes = 0;
  options.wrap_ops = [&probe](std::unique_ptr<Ops> ops) {
    return std::make_unique<ProbedOps>(std::move(ops), probe);
  };
  return Session::open(checkpoint, options);
}

/// One whose prompt takes several chunks of prefill.
Image large() {
  return Image(672, 672);
}

Request about(ImageSource image, const StopToken& stop = {}) {
  Request request;
  request.images = {std::move(image)};
  request.question = question(Task::ground_single, "red circle");
  request.options.stop = stop;
  request.options.generation.max_new_tokens = 16;
  return request;
}

}  // namespace

TEST_CASE("interrupt: a stop ends the vision tower in the midst of a layer") {
  Probe probe;
  Session session = probed(probe);
  StopSource stop;
  probe.in_vision = [&] { stop.request_stop(); };
  const Result result = session.ask(about(large(), stop.get_token()));
  CHECK(result.stop == StopReason::cancelled);
  CHECK(result.ok());
  CHECK(result.token_ids.empty());
  CHECK(probe.linears == 1);  // what was left of the chunk
  CHECK(session.statistics().vision_runs == 0);

  StopSource other;
  probe.in_vision = [&] { other.request_stop(); };
  try {
    session.encode(shapes_picture(), 0, other.get_token());
    FAIL_CHECK("expected an error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::cancelled);
    CHECK(std::string(error.what()) == "picture: its encoding was stopped");
  }
  CHECK(probe.linears == 1);
  CHECK(session.ask(about(shapes_picture())).items.size() == 1);
}

TEST_CASE("interrupt: a stop ends the prompt's pass in the midst of a layer") {
  Probe probe;
  Session session = probed(probe);
  for (const bool chunks : {false, true}) {
    CAPTURE(chunks);
    const EncodedImage image = session.encode(chunks ? large() : shapes_picture());
    CHECK((image.rows.shape[0] > kPrefillChunk) == chunks);
    StopSource stop;
    probe.in_language = [&] { stop.request_stop(); };
    const Result result = session.ask(about(image, stop.get_token()));
    CHECK(result.stop == StopReason::cancelled);
    CHECK(result.token_ids.empty());
    CHECK(result.width == image.width);
    CHECK(probe.linears == 1);
    CHECK(session.statistics().kv_bytes == 0);
    Result again = session.ask(about(image)),
           other = Session::open(source("data/shapes")).ask(about(chunks ? large() : shapes_picture()));
    CHECK(again.token_ids == other.token_ids);
  }
}

TEST_CASE("interrupt: a stop ends a prefix that is computed for several rows, and the others compute it") {
  Probe probe;
  Session session = probed(probe);
  const EncodedImage image = session.encode(large());
  StopSource stop;
  probe.in_language = [&] { stop.request_stop(); };
  const std::vector<Request> requests{about(image, stop.get_token()), about(image), about(image)};
  const std::vector<Result> results = session.batch(requests);
  CHECK(results[0].stop == StopReason::cancelled);
  CHECK(results[1].token_ids == session.ask(about(image)).token_ids);
  CHECK(results[2].token_ids == results[1].token_ids);
  CHECK(results[1].stop != StopReason::cancelled);
}

TEST_CASE("interrupt: a row that others share a pass with ends after it, and they go on") {
  Probe probe;
  Session session = probed(probe);
  const EncodedImage image = session.encode(shapes_picture());
  BatchOptions apart;
  apart.share_prefix = false;
  StopSource stop;
  probe.in_language = [&] { stop.request_stop(); };
  const std::vector<Request> requests{about(image, stop.get_token()), about(image)};
  const std::vector<Result> results = session.batch(requests, apart);
  CHECK(results[0].stop == StopReason::cancelled);
  CHECK(results[1].token_ids == session.ask(about(image)).token_ids);
}

TEST_CASE("interrupt: who waits for its turn can be stopped, and statistics do not wait") {
  Probe probe;
  Session session = probed(probe);
  const EncodedImage image = session.encode(shapes_picture());
  StopSource stop;
  bool counted = false, stopped = false;
  std::future<void> statistics, encoded;
  std::future<Result> asked;
  probe.in_vision = [&] {
    statistics = std::async(std::launch::async, [&] { CHECK(session.statistics().vision_runs == 1); });
    asked = std::async(std::launch::async, [&] { return session.ask(about(image, stop.get_token())); });
    encoded = std::async(std::launch::async, [&] {
      CHECK_THROWS_WITH_AS(session.encode(shapes_picture(), 0, stop.get_token()),
                           "picture: its encoding was stopped", Error);
    });
    counted = statistics.wait_for(5s) == std::future_status::ready;
    stopped = asked.wait_for(20ms) == std::future_status::ready;
    CHECK_FALSE(stopped);
    stop.request_stop();
    stopped =
        asked.wait_for(5s) == std::future_status::ready && encoded.wait_for(5s) == std::future_status::ready;
  };
  session.encode(large());
  statistics.get();
  encoded.get();
  CHECK(counted);
  CHECK(stopped);
  CHECK(asked.get().stop == StopReason::cancelled);
}

TEST_CASE("interrupt: rows that wait for the budget can be stopped") {
  SessionOptions options;
  options.kept_prefixes = 0;
  Probe probe;
  {
    Session sizes = probed(probe, source("data/shapes"), options);
    sizes.ask(about(shapes_picture()));
    options.kv_budget_bytes = sizes.statistics().peak_kv_bytes;
  }
  Session session = probed(probe, source("data/shapes"), options);
  const EncodedImage image = session.encode(shapes_picture());
  StopSource stop;
  bool stopped = false;
  std::future<Result> asked;
  Request first = about(image);
  first.options.on_item = [&](const Item&) {  // it holds what the other needs
    asked = std::async(std::launch::async, [&] { return session.ask(about(image, stop.get_token())); });
    for (int i = 0; i < 1000 && session.statistics().waits == 0; ++i) std::this_thread::sleep_for(5ms);
    stop.request_stop();
    stopped = asked.wait_for(5s) == std::future_status::ready;
  };
  CHECK(session.ask(first).items.size() == 1);
  CHECK(asked.get().stop == StopReason::cancelled);
  CHECK(stopped);
}

TEST_CASE(
    "interrupt: a picture that the context or the budget cannot hold is refused before its vision pass") {
  TemporaryDirectory directory;
  std::filesystem::copy(source("data/shapes"), directory / "short");
  std::string config = read_file(directory / "short/tokenizer_config.json");
  const std::string key = "\"model_max_length\":";
  const std::size_t at = config.find(key), end = config.find_first_of(",}", at);
  REQUIRE(at != config.npos);
  config.replace(at, end - at, key + "150");
  std::ofstream(directory / "short/tokenizer_config.json") << config;

  Probe probe;
  Session session = probed(probe, directory / "short");
  const Image wide(28 * 15, 28 * 10), high(28 * 10, 28 * 14);
  CHECK_THROWS_WITH_AS(
      session.encode(wide),
      "picture of 420x280 pixels: its 150 tokens leave no room for text, model_max_length is 150", Error);
  CHECK_THROWS_WITH_AS(session.ask(about(wide)),
                       "question: 150 tokens of 1 images leave no room for text, model_max_length is 150",
                       Error);
  CHECK_THROWS_WITH_AS(session.ask(about(high)),
                       doctest::Contains("tokens leave no room for an answer, model_max_length is 150"),
                       Error);

  SessionOptions options;
  options.kv_budget_bytes = 1 << 16;
  Session small = probed(probe, source("data/shapes"), options);
  CHECK_THROWS_WITH_AS(small.ask(about(shapes_picture())), doctest::Contains("the budget is 65536"), Error);
  CHECK(probe.linears == 0);
}

#if !defined(LA_SANITIZED)  // one of them allows no threads after fork()

TEST_CASE(
    "interrupt: a child of fork() in the midst of another thread's pass gets an error, else an answer") {
  Probe probe;
  Session session = probed(probe);
  const EncodedImage image = session.encode(shapes_picture());
  const auto in_child = [&](const std::string& expected) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      std::string found = "an answer";
      try {
        if (session.ask(about(image)).items.size() != 1) found = "none";
      } catch (const Error& error) {
        found = error.what();
      }
      ::_exit(found.starts_with(expected) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  CHECK(in_child("an answer"));
  std::promise<void> inside, done;
  probe.in_vision = [&] {
    inside.set_value();
    done.get_future().wait();
  };
  std::thread busy([&] { session.encode(large()); });
  inside.get_future().wait();
  CHECK(in_child("session: another thread was using it when this process was forked"));
  done.set_value();
  busy.join();
  CHECK(session.ask(about(image)).items.size() == 1);
}

#endif

}  // namespace la::test
