#include "../../la/image/load.hpp"
#include "../free_rows.hpp"
#include "same_results.hpp"

// Slow mode answers the same with drafts and without, alone and in any batch.
namespace la::test {
namespace {

std::vector<Request> slow_requests(bool speculate) {
  const PromptText questions[] = {question(Task::detect, "green cross</c>pink ring"),
                                  question(Task::ground_multi, "red circle"),
                                  question(Task::point, "black letter Y"), question(Task::detect_text, "")};
  std::vector<Request> requests;
  for (const char* name : {"00", "03", "amb19", "01"})
    for (std::size_t i = 0; i < 4; ++i) {
      Request request;
      request.images.push_back(source(std::string("tests/goldens/shapes/images/") + name + ".png"));
      request.question = questions[i];
      GenerationOptions& generation = request.options.generation;
      generation.mode = Mode::slow;
      generation.speculate = speculate;
      generation.max_new_tokens = 15 + 9 * i64(i);
      if (i % 2 == 1) generation.sampling.repetition_penalty = 1.1f;
      if (i >= 2) generation.sampling.temperature = 0.7f, generation.sampling.top_p = 0.9f;
      generation.sampling.seed = requests.size();
      requests.push_back(std::move(request));
    }
  return requests;
}

void check_same_in_no_more_passes(const std::vector<Result>& got, const std::vector<Result>& want) {
  check_same_results(got, want);
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i].forward_steps <= want[i].forward_steps);
}

}  // namespace

TEST_CASE("speculation: slow answers are the same bits with drafts, in any batch, on any number of threads") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"}) {
    CAPTURE(checkpoint);
    BatchOptions alone;
    alone.batch_size = 1;
    SessionOptions one;
    one.threads = 1;
    Session plain = Session::open(source(checkpoint), one);
    const auto want = plain.batch(slow_requests(false), alone);
    i64 drafted = 0, accepted = 0;
    for (const int threads : {1, 2, 3})
      for (const i64 batch : {1, 3, 8}) {
        CAPTURE(threads);
        CAPTURE(batch);
        Session session = Session::open(source(checkpoint), free_rows(threads));
        BatchOptions options;
        options.batch_size = batch;
        const auto got = session.batch(slow_requests(true), options);
        check_same_in_no_more_passes(got, want);
        for (const Result& result : got) drafted += result.drafted, accepted += result.accepted;
      }
    CHECK(drafted > 0);
    CHECK(accepted <= drafted);
  }
}

TEST_CASE("speculation: the logits shown are those of single steps") {
  std::vector<std::vector<float>> shown[2];
  for (const bool speculate : {false, true}) {
    Session session = Session::open(source("data/shapes"), free_rows(1));
    auto requests = slow_requests(speculate);
    for (Request& request : requests)
      request.options.on_logits = [&](ConstMatrix logits) {
        CHECK(logits.shape[0] == 1);
        shown[speculate].emplace_back(logits.row(0), logits.row(0) + logits.shape[1]);
      };
    BatchOptions alone;
    alone.batch_size = 1;
    session.batch(requests, alone);
  }
  CHECK(shown[0].size() > 100);
  CHECK(shown[0] == shown[1]);
}

}  // namespace la::test
