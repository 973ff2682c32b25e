#include <csignal>
#include <filesystem>

#include "../../la/core/error.hpp"
#include "../../la/core/truncation_guard.hpp"
#include "../../la/image/load.hpp"
#include "../../la/session/session.hpp"
#include "../../la/quantize/observing_ops.hpp"
#include "../../la/quantize/quantize.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"

// Weights whose file is cut short while they are in use.
namespace la::test {
namespace {

Image golden_image() {
  return load_image(source("data/pictures/shapes.png"));
}

/// A copy of the bundled checkpoint.
struct Copy {
  Copy() { std::filesystem::copy(source("data/shapes"), directory.str()); }
  std::string weights() const { return directory / "model.safetensors"; }
  TemporaryDirectory directory;
};

/// A checkpoint whose panels are used where they lie in the file.
struct Packed {
  Packed() {
    QuantizeOptions options;
    options.format = QuantizeFormat::q8;
    options.method = QuantizeMethod::rtn;
    quantize(source("data/shapes"), path, options);
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.path().extension() == ".safetensors") weights = entry.path();
    REQUIRE(!weights.empty());
  }
  void cut() const { std::filesystem::resize_file(weights, 5000); }
  TemporaryDirectory directory;
  const std::string path = directory / "packed";
  std::string weights;
};

template <class Action>
void check_cut(const std::string& path, const Action& action) {
  try {
    action();
    FAIL_CHECK("expected an error");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MESSAGE(message.starts_with(path + ": expected "), message);
    CHECK_MESSAGE(message.find("it was cut short while it was in use") != std::string::npos, message);
  }
}

}  // namespace

TEST_CASE("truncation: a checkpoint cut short before its weights are read is an error, guard or not") {
  const Copy copy;
  const ModelConfig config = ModelConfig::load(copy.directory.str());
  const Checkpoint checkpoint = Checkpoint::open(copy.directory.str());
  const auto ops = make_cpu_ops();
  CHECK_NOTHROW(check_weights(checkpoint, config));
  std::filesystem::resize_file(copy.weights(), 100'000);
  check_cut(copy.weights(), [&] { check_weights(checkpoint, config); });
  check_cut(copy.weights(), [&] { load_weights(checkpoint, config, *ops, WeightFormat::auto_); });
}

TEST_CASE("truncation: a checkpoint cut short while its weights are read is an error under a guard") {
  const TruncationGuard guard;
  const Copy copy;
  const ModelConfig config = ModelConfig::load(copy.directory.str());
  const Checkpoint checkpoint = Checkpoint::open(copy.directory.str());
  int seen = 0;
  const auto cut_at_third = [&](const StoredWeight& weight) {
    if (++seen == 3) std::filesystem::resize_file(copy.weights(), 4096);
    float value[1];
    if (weight.parts[0].weight) read_f32(*weight.parts[0].weight, weight.parts[0].weight->size() - 1, value);
  };
  check_cut(copy.weights(), [&] { for_each_weight(checkpoint, config, cut_at_third); });
  CHECK(seen == 3);
}

TEST_CASE("truncation: weights used where they lie are checked before each pass") {
  const Packed packed;
  Session session = Session::open(packed.path);
  const EncodedImage image = session.encode(golden_image());
  CHECK(session.ground(image, "red circle").items.size() == 1);
  packed.cut();
  check_cut(packed.weights, [&] { session.ground(image, "star"); });
  check_cut(packed.weights, [&] { session.encode(golden_image(), 100); });
  std::vector<Request> requests(2);
  for (Request& request : requests) {
    request.images.push_back(image);
    request.question = question(Task::ground_single, "star");
  }
  for (const Result& result : session.batch(requests)) {
    CHECK(result.items.empty());
    CHECK(result.error.starts_with(packed.weights));
  }
}

TEST_CASE("truncation: weights used where they lie, cut short in the middle of a pass") {
  const TruncationGuard guard;
  const Packed packed;
  int countdown = 0;
  SessionOptions options;
  options.wrap_ops = [&](std::unique_ptr<Ops> ops) -> std::unique_ptr<Ops> {
    const auto count = [&](std::size_t, ConstMatrix) {
      if (countdown > 0 && --countdown == 0) packed.cut();
    };
    return std::make_unique<detail::ObservingOps>(
        std::move(ops), [](std::span<const std::int32_t>) {}, count,
        [](std::size_t) { return std::optional<WeightPart>(); });
  };
  Session session = Session::open(packed.path, options);
  const EncodedImage image = session.encode(golden_image());
  AskOptions one_pass;  // there is no second one that would notice
  one_pass.generation.mode = Mode::slow;
  one_pass.generation.max_new_tokens = 1;
  countdown = 5;  // the fifth linear layer of the pass finds nothing in its place
  check_cut(packed.weights, [&] { session.ground(image, "red circle", one_pass); });
}

TEST_CASE("truncation: weights that were copied need their file no more") {
  const Copy copy;
  Session session = Session::open(copy.directory.str());
  std::filesystem::resize_file(copy.weights(), 0);
  CHECK(session.ground(session.encode(golden_image()), "red circle").items.size() == 1);
}

}  // namespace la::test
