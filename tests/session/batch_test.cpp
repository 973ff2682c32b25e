#include <map>

#include "equivalence.hpp"
#include "../../la/image/load.hpp"
#include "../support.hpp"

// Many at a time gives what one at a time gives.
namespace la::test {
namespace {

std::vector<Image> golden_images() {
  std::vector<Image> all;
  for (const char* name : {"00", "03", "amb19", "01"})
    all.push_back(load_image(source(std::string("tests/goldens/shapes/images/") + name + ".png")));
  return all;
}

std::vector<PromptText> questions() {
  return {question(Task::detect, "green cross</c>pink ring"), question(Task::ground_multi, "red circle"),
          question(Task::ground_multi, "red star"), question(Task::point, "black letter Y"),
          question(Task::detect_text, "")};
}

SessionOptions with_threads(int threads) {
  SessionOptions options;
  options.threads = threads;
  return options;
}

Request request_of(const Image& image, const PromptText& question, i64 max_tokens) {
  Request request;
  request.images.push_back(image);
  request.question = question;
  request.options.generation.max_new_tokens = max_tokens;
  return request;
}

/// What the results say, in order.
std::vector<std::vector<std::int32_t>> ids_of(const std::vector<Result>& results) {
  std::vector<std::vector<std::int32_t>> ids;
  for (const Result& result : results) {
    CHECK(result.error == "");
    ids.push_back(result.token_ids);
  }
  return ids;
}

void check_gate(const char* checkpoint, float penalty) {
  const auto images = golden_images();
  const auto asked = questions();
  std::vector<std::vector<equivalence::Trace>> want;
  for (const int threads : {1, 2, 3}) {
    CAPTURE(checkpoint);
    CAPTURE(threads);
    Session session = Session::open(source(checkpoint), with_threads(threads));
    const auto tiers = equivalence::tiers(images, asked, 24, penalty);
    for (std::size_t i = 0; i < tiers.size(); ++i) {
      if (threads == 1) {
        want.push_back(equivalence::run_alone(session, tiers[i].cases));
        for (const equivalence::Trace& trace : want[i]) {
          CHECK(trace.error == "");
          CHECK(trace.steps.size() > 0);
        }
      }
      for (const std::string& difference : equivalence::differences(session, tiers[i], want[i]))
        FAIL_CHECK(difference);
    }
    const Statistics s = session.statistics();
    CHECK(s.max_rows >= 5);
    CHECK(s.shared_tokens > 0);
    CHECK(s.vision_hits > 0);
  }
}

}  // namespace

TEST_CASE("batch: five tiers give the ids and logits of each row alone, with 1, 2 and 3 threads") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"}) check_gate(checkpoint, 1);
}

TEST_CASE("batch: five tiers give the ids and logits of each row alone, with a repetition penalty") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"}) check_gate(checkpoint, 1.15f);
}

TEST_CASE("batch: the gate sees a difference") {
  const auto images = golden_images();
  const auto asked = questions();
  Session session = Session::open(source("data/shapes"), with_threads(1));
  equivalence::Tier tier = equivalence::tiers(images, asked, 12, 1)[3];
  const auto want = equivalence::run_alone(session, tier.cases);
  tier.cases[2].image = &images[0];
  CHECK(equivalence::differences(session, tier, want).size() == 2);
}

TEST_CASE("batch: one picture is encoded once and its prompt computed once") {
  const auto images = golden_images();
  std::vector<Request> requests;
  for (const PromptText& q : questions()) requests.push_back(request_of(images[1], q, 16));
  Session session = Session::open(source("data/shapes"), with_threads(1));
  const auto results = session.batch(requests);
  const Statistics s = session.statistics();
  CHECK(s.vision_runs == 1);
  CHECK(s.vision_hits == 4);
  i64 prompts = 0;
  for (const Result& result : results) {
    prompts += result.prompt_tokens;
    CHECK(result.shared_tokens > result.prompt_tokens / 2);
  }
  CHECK(s.prompt_tokens == prompts);

  // The switches.
  Session apart = Session::open(source("data/shapes"), with_threads(1));
  BatchOptions options;
  options.share_vision = options.share_prefix = false;
  options.batch_size = 2;
  CHECK(ids_of(apart.batch(requests, options)) == ids_of(results));
  CHECK(apart.statistics().vision_runs == 5);
  CHECK(apart.statistics().shared_tokens == 0);
  CHECK(apart.statistics().max_rows == 2);
}

TEST_CASE("batch: a budget of a tenth gives the same answers, later") {
  const auto images = golden_images();
  std::vector<Request> requests;
  for (std::size_t i = 0; i < 12; ++i) requests.push_back(request_of(images[i % 4], questions()[i % 5], 24));
  BatchOptions options;
  options.batch_size = 12;
  SessionOptions unbounded = with_threads(1);
  unbounded.kv_budget_bytes = 0;
  Session free = Session::open(source("data/shapes"), unbounded);
  const auto want = free.batch(requests, options);
  const std::size_t requested = free.statistics().peak_kv_bytes;
  CHECK(free.statistics().waits == 0);

  SessionOptions tight = with_threads(1);
  tight.kv_budget_bytes = requested / 10;
  Session session = Session::open(source("data/shapes"), tight);
  CHECK(ids_of(session.batch(requests, options)) == ids_of(want));
  CHECK(session.statistics().peak_kv_bytes <= requested / 10);
  CHECK(session.statistics().waits > 0);

  // Less than one row: said, for this request alone.
  tight.kv_budget_bytes = requested / 100;
  Session narrow = Session::open(source("data/shapes"), tight);
  const auto refused = narrow.batch(requests, options);
  CHECK(refused[0].error.find("kv_budget_bytes") == 0);
}

TEST_CASE("batch: an error ends its request alone") {
  const auto images = golden_images();
  std::vector<Request> requests;
  for (std::size_t i = 0; i < 5; ++i) requests.push_back(request_of(images[i % 4], questions()[i], 16));
  Session session = Session::open(source("data/shapes"), with_threads(1));
  const auto want = session.batch(requests);
  requests[0].images[0] = std::string("/no/such/picture.png");
  requests[2].question = PromptText("<image-7>");
  requests[3].options.generation.max_new_tokens = 0;
  const auto got = session.batch(requests);
  CHECK(got[0].error.find("/no/such/picture.png") == 0);
  CHECK(got[2].error.find("<image-7>") != std::string::npos);
  CHECK(got[3].error.find("max_new_tokens") == 0);
  CHECK(got[2].query == "<image-7>");
  CHECK(got[2].token_ids.empty());
  for (const std::size_t i : {1u, 4u}) CHECK(got[i].token_ids == want[i].token_ids);

  // A callback that throws is the error of its row too.
  requests = {request_of(images[0], questions()[0], 24), request_of(images[1], questions()[1], 24)};
  const auto both = session.batch(requests);
  REQUIRE(both[0].items.size() > 0);
  requests[0].options.on_item = [](const Item&) { fail("no room"); };
  const auto one = session.batch(requests);
  CHECK(one[0].error == "no room");
  CHECK(one[1].token_ids == both[1].token_ids);
}

TEST_CASE("batch: items and results arrive with the index of their request") {
  const auto images = golden_images();
  std::vector<Request> requests;
  for (std::size_t i = 0; i < 5; ++i) requests.push_back(request_of(images[i % 4], questions()[i], 32));
  std::map<i64, std::vector<float>> scores;
  std::vector<int> ended(5);
  BatchOptions options;
  options.batch_size = 2;
  options.on_item = [&](i64 index, const Item& item) {
    CHECK(ended[std::size_t(index)] == 0);
    scores[index].push_back(item.score);
  };
  options.on_result = [&](i64 index, const Result&) { ++ended[std::size_t(index)]; };
  Session session = Session::open(source("data/shapes"), with_threads(1));
  const auto results = session.batch(requests, options);
  CHECK(ended == std::vector<int>(5, 1));
  for (std::size_t i = 0; i < 5; ++i) {
    std::vector<float> want;
    for (const Item& item : results[i].items) want.push_back(item.score);
    CHECK(scores[i64(i)] == want);
  }
  options.batch_size = 0;
  CHECK_THROWS_WITH_AS(session.batch(requests, options), "batch_size: expected 1 or more, found 0", Error);
}

TEST_CASE("batch: a row may be cancelled while others go on") {
  const auto images = golden_images();
  std::vector<Request> requests;
  for (std::size_t i = 0; i < 3; ++i) requests.push_back(request_of(images[0], questions()[0], 48));
  Session session = Session::open(source("data/shapes"), with_threads(1));
  const auto want = session.batch(requests);
  REQUIRE(want[0].items.size() >= 2);
  std::stop_source one, never_starts;
  requests[1].options.stop = one.get_token();
  requests[1].options.on_item = [&](const Item&) { one.request_stop(); };
  requests[2].options.stop = never_starts.get_token();
  never_starts.request_stop();
  const auto got = session.batch(requests);
  CHECK(got[0].token_ids == want[0].token_ids);
  CHECK(got[1].stop == StopReason::cancelled);
  CHECK(got[1].ok());
  CHECK(got[1].items.size() == 1);
  CHECK(got[1].token_ids.size() < want[1].token_ids.size());
  CHECK(got[2].stop == StopReason::cancelled);
  CHECK(got[2].token_ids.empty());
  CHECK(session.statistics().kv_bytes <= session.statistics().peak_kv_bytes);
  CHECK(ids_of(session.batch(std::span(requests).first(1))) == ids_of({want[0]}));
}

TEST_CASE("batch: a prompt longer than a chunk goes on beside others") {
  Image wide(756, 644);
  for (std::size_t i = 0; i < wide.pixels.size(); ++i) wide.pixels[i] = std::uint8_t(i * 7 + i / 2268);
  const auto images = golden_images();
  std::vector<Request> requests{request_of(wide, questions()[1], 6),
                                request_of(images[0], questions()[0], 24),
                                request_of(images[1], questions()[1], 24)};
  Session session = Session::open(source("data/shapes"), with_threads(2));
  const auto together = session.batch(requests);
  CHECK(together[0].prompt_tokens > kPrefillChunk + 64);
  Session apart = Session::open(source("data/shapes"), with_threads(1));
  for (std::size_t i = 0; i < requests.size(); ++i)
    CHECK(apart.batch(std::span(&requests[i], 1))[0].token_ids == together[i].token_ids);
}

}  // namespace la::test
