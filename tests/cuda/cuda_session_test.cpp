#include <algorithm>

#include "../../la/image/load.hpp"
#include "../../la/image/resize.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../../la/session/card_memory.hpp"
#include "../model/golden_cases.hpp"
#include "../ops/all_ops.hpp"
#include "../quantize/fixtures.hpp"
#include "../session/decoder.hpp"
#include "../session/equivalence.hpp"
#include "../session/same_results.hpp"
#include "counting_driver.hpp"
#include "emulated_ops.hpp"

// Whole sessions on the emulated card: what is shared, what waits, and what happens when its memory runs out.
namespace la::test {
namespace {

constexpr const char* kModel = "tests/checkpoints/odd";  // small, and no size of it a round number

/// The emulated card with so much memory, of which some allocation may fail. It says that launches wait, as they do on a card.
class SmallCard final : public cuda::Driver {
 public:
  explicit SmallCard(std::size_t bytes = std::size_t{1} << 40) : bytes_(bytes) {}

  std::string_view name() const noexcept override { return card_->name(); }
  std::size_t free_bytes() override { return bytes_ - *used_; }
  std::size_t used() const { return *used_; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    if (bytes > free_bytes() || (countdown > 0 && --countdown == 0)) throw cuda::OutOfDeviceMemory();
    auto memory = card_->allocate(bytes);
    *used_ += bytes;
    peak = std::max(peak, *used_);
    std::byte* at = memory.get();
    return {at, [memory = std::move(memory), used = used_, bytes](std::byte*) mutable {
              memory.reset();
              *used -= bytes;
            }};
  }
  void upload(const void* host, void* to, std::size_t bytes) override {
    count_.sent = count_.made;
    card_->upload(host, to, bytes);
  }
  void upload_ahead(const void* host, void* to, std::size_t bytes) override {
    card_->upload(host, to, bytes);
  }
  void download(const void* from, void* host, std::size_t bytes) override {
    count_.sent = count_.made;
    largest_download = std::max(largest_download, bytes);
    card_->download(from, host, bytes);
  }
  void copy(const void* from, void* to, std::size_t bytes) override {
    count_.sent = count_.made;
    card_->copy(from, to, bytes);
  }
  void clear(void* to, std::size_t bytes) override {
    count_.sent = count_.made;
    card_->clear(to, bytes);
  }
  void launch(const cuda::Launch& launch, const void* arguments, std::size_t bytes) override {
    ++count_.made;
    card_->launch(launch, arguments, bytes);
  }
  cuda::LaunchCount launches() const noexcept override { return count_; }

  std::size_t peak = 0, largest_download = 0;
  long countdown = 0;  // the allocation that brings it to zero fails

 private:
  std::shared_ptr<cuda::Driver> card_ = make_emulated_driver();
  std::size_t bytes_;
  cuda::LaunchCount count_{0, 0};
  std::shared_ptr<std::size_t> used_ = std::make_shared<std::size_t>(0);
};

Session open_on(const std::shared_ptr<cuda::Driver>& card, const char* checkpoint,
                ActivationFormat activations, std::size_t kv_budget = std::size_t{2} << 30) {
  SessionOptions options;
  options.threads = 1;
  options.kv_budget_bytes = kv_budget;
  options.wrap_ops = [&](std::unique_ptr<Ops>) { return make_cuda_ops({card, activations, nullptr}); };
  return Session::open(source(checkpoint), options);
}

/// Small, so that an answer takes a moment.
std::vector<Image> small_images() {
  std::vector<Image> all;
  for (const char* name : {"00", "03"})
    all.push_back(resize_bicubic(
        load_image(source(std::string("tests/goldens/shapes/images/") + name + ".png")), 56, 56));
  return all;
}

std::vector<PromptText> questions() {
  return {question(Task::detect, "green cross</c>pink ring"), question(Task::ground_multi, "red circle"),
          question(Task::point, "black letter Y")};
}

std::vector<Request> some_requests(i64 count, i64 max_tokens) {
  const std::vector<Image> images = small_images();
  std::vector<Request> requests;
  for (i64 i = 0; i < count; ++i) {
    Request& request = requests.emplace_back();
    request.images.push_back(images[std::size_t(i) % images.size()]);
    request.question = questions()[std::size_t(i) % 3];
    request.options.generation.max_new_tokens = max_tokens;
  }
  return requests;
}

}  // namespace

TEST_CASE("cuda: five tiers give the ids and logits of each row alone, on both paths") {
  const std::vector<Image> images = small_images();
  const std::vector<PromptText> asked = questions();
  for (const ActivationFormat activations : {ActivationFormat::auto_, ActivationFormat::f32}) {
    CAPTURE(name_of(activations));
    Session session = open_on(make_emulated_driver(), kModel, activations);
    for (const equivalence::Tier& tier : equivalence::tiers(images, asked, 8, 1)) {
      const auto want = equivalence::run_alone(session, tier.cases);
      for (const equivalence::Trace& trace : want) CHECK((trace.error == "" && !trace.steps.empty()));
      for (const std::string& difference : equivalence::differences(session, tier, want))
        FAIL_CHECK(difference);
    }
    CHECK(session.statistics().shared_tokens > 0);
    CHECK(session.statistics().max_rows >= 3);
  }
}

TEST_CASE(
    "cuda: passes that are asked for ahead give the bits of those that wait, in any batch, on both paths") {
  for (const char* checkpoint : {"data/shapes", kModel})
    for (const ActivationFormat activations : {ActivationFormat::auto_, ActivationFormat::f32})
      for (const Mode mode : {Mode::slow, Mode::fast, Mode::hybrid}) {
        CAPTURE(checkpoint);
        CAPTURE(name_of(activations));
        CAPTURE(int(mode));
        std::vector<Request> requests = some_requests(4, 40);
        for (Request& request : requests) {
          request.options.generation.mode = mode;
          request.options.generation.speculate = false;
        }
        std::vector<Request> waiting = requests;  // for somebody who looks at the logits
        for (Request& request : waiting) request.options.on_logits = [](ConstMatrix) {};
        Session session = open_on(make_emulated_driver(), checkpoint, activations);
        BatchOptions options;
        options.batch_size = 1;
        const std::vector<Result> want = session.batch(waiting, options);
        CHECK(session.statistics().asked_ahead == 0);
        for (const i64 batch : {1, 3}) {
          CAPTURE(batch);
          options.batch_size = batch;
          const std::vector<Result> got = session.batch(requests, options);
          check_same_results(got, want);
          for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i].forward_steps == want[i].forward_steps);
        }
        CHECK(session.statistics().taken_ahead > 0);
      }
}

TEST_CASE("cuda: 4-bit checkpoints of every packing have their very values, and their products") {
  const auto exact = make_staged_ops(), tensor = make_staged_ops(ActivationFormat::auto_),
             reference = make_reference_ops(1, ActivationFormat::f32);
  for (const char* name : {"gptq", "gptq_v2", "gptq_ordered", "gptq_shuffled", "gptq_g64", "gptq_g24",
                           "gptq_one_group", "autoround", "autoround_plain", "autoround_gptqmodel",
                           "no_config_sevens", "no_config_eights", "awq", "autoround_awq", "awq_no_config"}) {
    CAPTURE(name);
    const Fixture fixture(name);
    const StoredInt4 stored = fixture.find();
    WeightPart part;
    part.int4 = &stored;
    const auto on_card = exact->make_weight(std::span(&part, 1), WeightFormat::auto_),
               in_tensors = tensor->make_weight(std::span(&part, 1), WeightFormat::auto_),
               on_host = reference->make_weight(std::span(&part, 1), WeightFormat::auto_);
    std::vector<std::int32_t> every(std::size_t(fixture.outputs));
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = std::int32_t(i);
    std::vector<float> rows(std::size_t(fixture.outputs * fixture.inputs));
    exact->embedding(*on_card, every, view(rows, fixture.outputs, fixture.inputs));
    const auto equal = [](float a, float b) { return a + 0.0f == b + 0.0f; };  // zero has no sign
    const std::vector<float> expected = fixture.expected();
    CHECK(std::equal(rows.begin(), rows.end(), expected.begin(), expected.end(), equal));

    std::vector<float> x(std::size_t(5 * fixture.inputs)), y(std::size_t(5 * fixture.outputs)), want = y;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(int(i * 37 % 101) - 50) / 64;  // bf16 holds them
    const Matrix in = view(x, 5, fixture.inputs);
    reference->linear(in, *on_host, view(want, 5, fixture.outputs), Store::overwrite);
    exact->linear(in, *on_card, view(y, 5, fixture.outputs), Store::overwrite);
    CHECK(relative_error(y, want) <= 5e-6);
    tensor->linear(in, *in_tensors, view(y, 5, fixture.outputs), Store::overwrite);
    CHECK(relative_error(y, want) <= 5e-6);
  }
}

TEST_CASE("cuda: a forked sequence and its source go on as if each were alone") {
  for (const ActivationFormat activations : {ActivationFormat::f32, ActivationFormat::auto_}) {
    Decoder d(make_emulated_ops(activations));
    check_forks(d, 100, {63, 64, 65});
  }
}

TEST_CASE("cuda: rows wait for room in a small budget, and in a small card's memory, with the same answers") {
  // Answers are short; room is kept for long ones.
  const std::vector<Request> requests = some_requests(6, 1000);
  BatchOptions together;
  together.batch_size = 6;
  const auto ids_of = [](const std::vector<Result>& results) {
    std::vector<std::vector<std::int32_t>> ids;
    for (const Result& r : results) {
      CHECK(r.error == "");
      ids.push_back(r.token_ids);
    }
    return ids;
  };
  const auto roomy = std::make_shared<SmallCard>();
  Session free = open_on(roomy, "data/shapes", ActivationFormat::auto_);
  const std::size_t weights = roomy->used();
  const auto want = ids_of(free.batch(requests, together));
  const std::size_t requested = free.statistics().peak_kv_bytes;
  CHECK(free.statistics().waits == 0);

  Session tight = open_on(make_emulated_driver(), "data/shapes", ActivationFormat::auto_, requested / 3);
  CHECK(ids_of(tight.batch(requests, together)) == want);
  CHECK(tight.statistics().waits > 0);
  CHECK(tight.statistics().peak_kv_bytes <= requested / 3);

  // Nobody says how much: the card does. Three quarters of what is left after the weights are for keys and values.
  const auto small = std::make_shared<SmallCard>(weights + requested);
  Session squeezed = open_on(small, "data/shapes", ActivationFormat::auto_, 0);
  CHECK(ids_of(squeezed.batch(requests, together)) == want);
  CHECK(squeezed.statistics().waits > 0);
  CHECK(squeezed.statistics().peak_kv_bytes <= requested / 4 * 3);
}

TEST_CASE(
    "cuda: memory of the card that runs out in a batch: each row has its answer or says why, and the next "
    "has all") {
  const auto card = std::make_shared<SmallCard>();
  Session session = open_on(card, kModel, ActivationFormat::auto_);
  const std::vector<Request> requests = some_requests(3, 4);
  const std::vector<Result> want = session.batch(requests);
  i64 failed = 0, answered = 0;
  for (long n = 1; n < 60; n += 6) {
    CAPTURE(n);
    Session fresh = open_on(card, kModel, ActivationFormat::auto_);
    card->countdown = n;
    const std::vector<Result> got = fresh.batch(requests);
    const bool reached = card->countdown == 0;
    card->countdown = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i].ok()) CHECK(got[i].token_ids == want[i].token_ids);
      if (!got[i].ok()) CHECK(got[i].error.find("out of device memory") != std::string::npos);
      (got[i].ok() ? answered : failed) += 1;
    }
    const std::vector<Result> again = fresh.batch(requests);
    for (std::size_t i = 0; i < again.size(); ++i) {
      CHECK(again[i].error == "");
      CHECK(again[i].token_ids == want[i].token_ids);
    }
    if (!reached) break;
  }
  CHECK(failed > 0);
  CHECK(answered > 0);
}

TEST_CASE("cuda: logits stay on the card unless sampling changes them or somebody looks") {
  const auto card = std::make_shared<SmallCard>();
  Session session = open_on(card, kModel, ActivationFormat::f32);
  Request request = some_requests(1, 12)[0];
  GenerationOptions& generation = request.options.generation;
  const std::size_t vocabulary = 1569, coordinates = 1001;
  const auto downloaded = [&](Mode mode) {
    generation.mode = mode;
    card->largest_download = 0;
    CHECK(session.batch(std::span(&request, 1))[0].error == "");
    return card->largest_download / sizeof(float);
  };
  for (const Mode mode : {Mode::fast, Mode::hybrid})
    CHECK(downloaded(mode) == 6 * (2 * RowSummary::kBest + 6 + coordinates));
  generation.speculate = false;
  CHECK(downloaded(Mode::slow) == 2 * RowSummary::kBest + 6 + coordinates);
  generation.sampling.temperature = 0.5f;
  CHECK(downloaded(Mode::fast) == 6 * vocabulary);
  generation.sampling.temperature = 0;
  request.options.on_logits = [](ConstMatrix) {};
  CHECK(downloaded(Mode::fast) == 6 * vocabulary);
}

namespace {

/// A card whose pictures the host resizes and cuts.
class PatchesOfHost final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  std::unique_ptr<ImagePatches> make_patches(const ImageView& image, PixelSize shrunk,
                                             const ProcessorConfig& config, Team* team) override {
    return Ops::make_patches(image, shrunk, config, team);
  }
};

}  // namespace

TEST_CASE(
    "cuda: a picture that the card resizes has the rows, the answer and the place in the cache of any") {
  const Image image = load_image(source("tests/goldens/shapes/images/03.png"));
  for (const ActivationFormat activations : {ActivationFormat::auto_, ActivationFormat::f32}) {
    CAPTURE(name_of(activations));
    const auto card = std::make_shared<CountingDriver>();
    Session session = open_on(card, kModel, activations);
    SessionOptions options;
    options.wrap_ops = [&](std::unique_ptr<Ops>) {
      return std::make_unique<PatchesOfHost>(make_emulated_ops(activations));
    };
    Session of_host = Session::open(source(kModel), options);
    AskOptions ask;
    ask.generation.max_new_tokens = 12;
    for (const i64 max_side : {0, 130}) {
      CAPTURE(max_side);
      const auto answer = [&](Session& s, const EncodedImage& encoded) {
        return s.ask(encoded, question(Task::ground_multi, "red circle"), ask).token_ids;
      };
      const EncodedImage encoded = session.encode(image, max_side), want = of_host.encode(image, max_side);
      CHECK(to_host(session.ops(), encoded.rows) == to_host(of_host.ops(), want.rows));
      CHECK(answer(session, encoded) == answer(of_host, want));
      CHECK(session.encode(image, max_side).memory == encoded.memory);
    }
    CHECK(card->launches[{"patch_rows", false}] == 2);
    CHECK(session.statistics().vision_runs == 2);
    CHECK(session.statistics().vision_hits == 2);

    StopSource stop;
    stop.request_stop();
    CHECK_THROWS_AS((void)session.encode(image, 100, stop.get_token()), Error);
    CHECK(session.statistics().vision_runs == 2);
    CHECK(to_host(session.ops(), session.encode(image, 100).rows) ==
          to_host(of_host.ops(), of_host.encode(image, 100).rows));
  }
}

namespace {

struct CardRun {
  const char* checkpoint;
  ActivationFormat activations;
  PixelSize picture;
  i64 max_side, questions, tokens;
};

}  // namespace

TEST_CASE("cuda: what a run takes of the card's memory is what was estimated") {
  const Image picture = load_image(source("tests/goldens/shapes/images/00.png"));
  for (const CardRun& run : {CardRun{"data/shapes", ActivationFormat::auto_, {168, 140}, 0, 1, 8},
                             CardRun{"data/shapes", ActivationFormat::auto_, {1500, 1100}, 120, 1, 8},
                             CardRun{"data/shapes", ActivationFormat::f32, {168, 140}, 0, 1, 8},
                             CardRun{"data/shapes", ActivationFormat::auto_, {168, 140}, 0, 3, 20},
                             CardRun{kModel, ActivationFormat::auto_, {168, 140}, 0, 1, 8},
                             CardRun{kModel, ActivationFormat::f32, {168, 140}, 0, 3, 20},
                             CardRun{kModel, ActivationFormat::auto_, {60, 50}, 0, 2, 70}}) {
    CAPTURE(run.checkpoint);
    CAPTURE(name_of(run.activations));
    CAPTURE(run.picture.width);
    const auto card = std::make_shared<SmallCard>();
    Session session = open_on(card, run.checkpoint, run.activations);
    const Image image = resize_bicubic(picture, run.picture.width, run.picture.height);
    std::vector<Request> requests(static_cast<std::size_t>(run.questions));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      requests[i].images.push_back(image);
      requests[i].max_side = run.max_side;
      requests[i].question = questions()[i];
      requests[i].options.generation.max_new_tokens = run.tokens;
    }
    MemoryPlan plan;
    plan.question_tokens = 0;
    const i64 rows = session.encode(image, run.max_side).rows.shape[0];
    for (const Result& result : session.batch(requests)) {
      CHECK(result.error == "");
      plan.question_tokens = std::max(plan.question_tokens, result.prompt_tokens - rows);
    }
    plan.width = run.picture.width;
    plan.height = run.picture.height;
    plan.max_side = run.max_side;
    plan.questions = run.questions;
    plan.max_new_tokens = run.tokens;
    plan.card = true;
    plan.activations = run.activations;
    const std::string directory = source(run.checkpoint);
    const DeviceMemoryEstimate estimate =
        estimate_card_memory(Checkpoint::open(directory), ModelConfig::load(directory), plan);
    MESSAGE(estimate.total(), " bytes estimated, ", card->peak, " taken");
    CHECK(estimate.total() >= card->peak);
    // Of several questions all might check drafts in the same pass.
    CHECK(double(estimate.total()) <= (run.questions == 1 ? 1 : 1.2) * double(card->peak));
  }
}

}  // namespace la::test
