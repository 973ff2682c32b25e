#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <numeric>

#include "../../la/image/load.hpp"
#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cuda.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../../la/session/session.hpp"
#include "../ops/all_ops.hpp"
#include "attention_cases.hpp"
#include "layout_probe.hpp"
#include "patch_cases.hpp"
#include "planted_kernels.hpp"
#include "staged_ops.hpp"

// What hides behind right values: the emulated card looks at every load and store, and finds planted faults by name.
namespace la::test {
namespace {

constexpr int kCount = 64;

/// Runs a planted kernel; what was reported, or "".
struct Field {
  explicit Field(std::uint64_t seed, bool hunts = true)
      : driver(make_emulated_driver({seed, hunts, find_planted})) {
    std::vector<float> values(512);
    std::iota(values.begin(), values.end(), 1.0f);
    x = driver->allocate(kCount * sizeof(float));
    y = driver->allocate(kCount * sizeof(float));
    driver->upload(values.data(), x.get(), kCount * sizeof(float));
  }
  void launch(const char* kernel, Planted a, unsigned blocks = 1, bool dependent = false) {
    driver->launch({kernel, blocks, 1, unsigned(kCount), kCount * sizeof(float), dependent}, &a, sizeof a);
  }
  Planted arguments(int fault) const {
    return {reinterpret_cast<const float*>(x.get()), reinterpret_cast<float*>(y.get()), kCount, fault};
  }
  std::vector<float> result() {
    std::vector<float> values(kCount);
    driver->download(y.get(), values.data(), values.size() * sizeof(float));
    return values;
  }
  std::shared_ptr<cuda::Driver> driver;
  std::shared_ptr<std::byte> x, y;
};

template <class Body>
std::string reported(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// With the fault it is reported, by its name and the place; without, nothing is, and the values are right.
void check_planted(const char* kernel, const std::vector<std::string>& parts, unsigned blocks = 1,
                   bool first_value = false) {
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    CAPTURE(kernel);
    CAPTURE(seed);
    Field wrong(seed);
    const std::string report = reported([&] {
      wrong.launch(kernel, wrong.arguments(1), blocks);
      wrong.driver->download(wrong.y.get(), std::vector<float>(1).data(), first_value ? 4 : 0);
    });
    CAPTURE(report);
    CHECK(report.find("kernel " + std::string(kernel) + ", block (") == 0);
    CHECK(report.find("thread ") != std::string::npos);
    for (const std::string& part : parts) CHECK(report.find(part) != std::string::npos);

    Field right(seed);
    CHECK(reported([&] {
            right.launch(kernel, right.arguments(0), blocks);
            right.driver->download(right.y.get(), std::vector<float>(1).data(), 4);
          }) == "");
  }
}

}  // namespace

TEST_CASE("hunt: a missing barrier") {
  check_planted("missing_barrier", {": missing barrier: ", "of shared memory"});
  Field right(7);
  right.launch("missing_barrier", right.arguments(0));
  CHECK(right.result()[0] == kCount);
}

TEST_CASE("hunt: uninitialised shared memory") {
  check_planted("uninitialised_shared_memory",
                {"block (0, 0), thread 58: uninitialised shared memory: reads byte 20 of 256"});
}

TEST_CASE("hunt: uninitialised device memory, and memory that was freed") {
  Field field(1);
  Planted a = field.arguments(0);
  const auto nothing = field.driver->allocate(kCount * sizeof(float));
  a.x = reinterpret_cast<const float*>(nothing.get());
  CHECK(reported([&] {
          field.launch("use_after_free", a);
          field.result();
        }).find(": uninitialised device memory: reads byte") != std::string::npos);
  Field freed(1);
  a = freed.arguments(0);
  freed.x.reset();
  CHECK(reported([&] {
          freed.launch("use_after_free", a);
          freed.result();
        }).find(": out of range: 4 bytes at") != std::string::npos);
  CHECK(reported([&] { freed.result(); }).find("uninitialised device memory: a copy to the host") !=
        std::string::npos);
}

TEST_CASE("hunt: an off-by-one tail") {
  check_planted("off_by_one_tail", {"block (0, 0), thread 0: out of range: 4 bytes at byte 256 of 256"});
}

TEST_CASE("hunt: a race between blocks") {
  check_planted("race_between_blocks", {": race between blocks: writes byte 0 of 256 of device memory"}, 5);
}

TEST_CASE("hunt: what blocks leave for the last of them") {
  for (const std::uint64_t seed : {0, 1, 2, 3})
    for (const int fault : {0, 1, 2, 3}) {
      CAPTURE(seed);
      CAPTURE(fault);
      Field field(seed);
      const std::vector<float> nothing(kCount);
      field.driver->upload(nothing.data(), field.y.get(), kCount * sizeof(float));
      const std::string report = reported([&] {
        for (int i = 0; i < 2; ++i) field.launch("last_block", field.arguments(fault), 4);
        const std::vector<float> y = field.result();
        CHECK(y[0] == 0);  // counted around
        for (int i = 0; i < 2; ++i) CHECK(y[std::size_t(62 + i)] == float(20 + 4 * i));
      });
      CAPTURE(report);
      CHECK((report == "") == (fault == 0));
      if (fault != 0) {
        CHECK(report.find("kernel last_block, block (") == 0);
        CHECK(report.find(": race between blocks: ") != std::string::npos);
      }
    }
}

TEST_CASE("hunt: an unsynchronised copy") {
  check_planted("unsynchronised_copy",
                {": unsynchronised copy: byte ", "of shared memory is still being copied"});
}

TEST_CASE("hunt: a missing wait of a dependent launch") {
  for (const std::uint64_t seed : {0, 1, 2, 3})
    for (const int fault : {1, 0})
      for (const bool dependent : {true, false}) {
        CAPTURE(seed);
        CAPTURE(fault);
        Field field(seed);
        const auto z = field.driver->allocate(kCount * sizeof(float));
        Planted next = field.arguments(fault);
        next.x = next.y;
        next.y = reinterpret_cast<float*>(z.get());
        const std::string report = reported([&] {
          field.launch("missing_wait", field.arguments(0));
          field.launch("missing_wait", next, 1, dependent);
          field.result();
        });
        CAPTURE(report);
        CHECK((report == "") == (fault == 0 || !dependent));
        if (report != "") {
          CHECK(report.find("kernel missing_wait, block (0, 0), thread ") == 0);
          // It has started before what it reads was there.
          CHECK((report.find(": missing wait of a dependent launch: ") != std::string::npos ||
                 report.find(": uninitialised device memory: ") != std::string::npos));
        }
      }
}

TEST_CASE("hunt: a dependent launch that reads in place before it waits, or never waits") {
  Field field(1);
  field.launch("missing_wait", field.arguments(0));
  field.result();  // y is old now
  const std::string report = reported([&] {
    field.launch("missing_wait", field.arguments(0));
    Planted next = field.arguments(1);
    next.x = next.y;
    next.y = const_cast<float*>(field.arguments(0).x);
    field.launch("missing_wait", next, 1, true);
    field.result();
  });
  CAPTURE(report);
  CHECK(report.find(": missing wait of a dependent launch: ") != std::string::npos);
  CHECK(reported([&] {
          field.launch("no_wait_at_all", field.arguments(1), 1, true);
          field.result();
        })
            .find("kernel no_wait_at_all, block (0, 0), thread 0: missing wait of a dependent launch: ends "
                  "without") == 0);
}

TEST_CASE("hunt: a barrier that a thread does not reach") {
  for (const std::uint64_t seed : {0, 1}) {
    Field field(seed);
    CHECK(reported([&] {
            field.launch("barrier_not_reached", field.arguments(1), 2);
            field.driver->clear(field.y.get(), 1);
          }).find("thread 3: does not come to a barrier") != std::string::npos);
  }
}

TEST_CASE("hunt: a wrong fragment layout") {
  for (const int fault : {1, 0}) {
    Field field(1);
    const auto product = [&](std::span<const float> x, std::span<const float> w, std::span<float> y) {
      const auto in = field.driver->allocate(384 * sizeof(float)),
                 out = field.driver->allocate(128 * sizeof(float));
      field.driver->upload(x.data(), in.get(), 256 * sizeof(float));
      field.driver->upload(w.data(), in.get() + 1024, 128 * sizeof(float));
      const Planted a{reinterpret_cast<const float*>(in.get()), reinterpret_cast<float*>(out.get()), 0,
                      fault};
      field.driver->launch({"wrong_fragment_layout", 1, 1, 32, 0}, &a, sizeof a);
      field.driver->download(out.get(), y.data(), 128 * sizeof(float));
    };
    const std::string report = layout_fault("wrong_fragment_layout", 16, 8, 16, product);
    CHECK(
        report ==
        (fault
             ? "kernel wrong_fragment_layout: wrong fragment layout: output 0 of row 0: expected input 0 of "
               "that row, found the sum of 8 of row 0"
             : ""));
  }
}

TEST_CASE("hunt: guard pages stop what is not watched, and say where") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    ::dup2(ends[1], 2);
    Field field(0, false);
    try {
      field.launch("off_by_one_tail", field.arguments(1));
      field.result();
    } catch (...) {
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text(300, '\0');
  text.resize(std::size_t(std::max<ssize_t>(0, ::read(ends[0], text.data(), text.size()))));
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  CHECK(WIFSIGNALED(status));
  CHECK(text ==
        "kernel off_by_one_tail, block (0, 0), thread 0: out of range: memory of the card that is not "
        "allocated\n");
}

namespace {

std::unique_ptr<Ops> hunting_ops(std::uint64_t seed, ActivationFormat activations) {
  return make_cuda_ops({make_emulated_driver({seed, true}), activations, nullptr});
}

/// Sums over several stages of every kernel, of few rows and of many.
void run_long_products(Ops& card, Ops& oracle, double tolerance) {
  const MappedFile no_file;
  for (const WeightFormat format :
       {WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
    const Stored stored({41, 700}, DType::f32, no_file);
    Stored again = stored;  // packing gives the pages of what it has read back
    again.tensor.bytes = again.bytes;
    WeightPart part{&stored.tensor, nullptr}, same{&again.tensor, nullptr};
    part.precision = format == WeightFormat::q4 ? Precision::high : Precision::usual;
    const auto weight = card.make_weight(std::span(&part, 1), format),
               truth = oracle.make_weight(std::span(&same, 1), format);
    for (const i64 rows : {3, 20}) {
      auto x = noise(rows * 700), y = noise(rows * 41), want = y;
      oracle.linear(view(x, rows, 700), *truth, view(want, rows, 41), Store::add);
      card.linear(view(x, rows, 700), *weight, view(y, rows, 41), Store::add);
      CHECK(relative_error(y, want) <= tolerance);
    }
  }
}

}  // namespace

TEST_CASE("hunt: the layout of every product's fragments") {
  const MappedFile no_file;
  const auto ops = std::make_unique<StagedOps>(hunting_ops(1, ActivationFormat::auto_));
  for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
    for (const int rows : {16, 40})
      CHECK(layout_fault(std::string(name_of(format)), rows, 24, 128,
                         [&](std::span<const float> x, std::span<const float> w, std::span<float> y) {
                           Stored stored({24, 128}, DType::f32, no_file);
                           std::memcpy(stored.bytes.data(), w.data(), w.size_bytes());
                           stored.tensor.bytes = stored.bytes;
                           const WeightPart part{&stored.tensor, nullptr};
                           const auto weight = ops->make_weight(std::span(&part, 1), format);
                           ops->linear(ConstMatrix(x.data(), {rows, 128}), *weight,
                                       Matrix(y.data(), {rows, 24}), Store::overwrite);
                         }) == "");
}

TEST_CASE("hunt: ten seeds, every op on every path, each operand fenced") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const bool exact = seed % 2 == 0;
    const ActivationFormat activations = exact ? ActivationFormat::f32 : ActivationFormat::auto_;
    const double tolerance = exact ? 5e-6 : 2e-2;
    const auto ops = make_check_ops(std::make_unique<StagedOps>(hunting_ops(seed, activations)),
                                    make_reference_ops(0, ActivationFormat::f32), tolerance);
    CHECK_NOTHROW(run_all_ops(*ops));
    CHECK_NOTHROW(run_attention(*ops));
    for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
      for (const i64 rows : {3, 20}) CHECK_NOTHROW(run_decoder_layer(*ops, rows, format));
    StagedOps card(hunting_ops(seed, activations));
    run_long_products(card, *make_reference_ops(0, ActivationFormat::f32), tolerance);
  }
}

TEST_CASE("hunt: ten seeds, attention in tensor cores, each operand fenced") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const AttentionCase& c = kAttentionCases[seed % 4];
    CHECK(check_attention(make_emulated_driver({seed, true}), c, Precision::usual, seed % 3 ? 72 : 13) <
          1e-3);
    CHECK(check_attention(make_emulated_driver({seed, true}), c, Precision::high, seed % 3 ? 20 : 128) <
          2e-5);
  }
}

TEST_CASE("hunt: ten seeds, pictures of every kind") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const auto driver = make_emulated_driver({seed, true});
    for (std::size_t i = seed % 3; i < kPatchCases.size(); i += 3)
      patches_of_card(*driver, noise_image(kPatchCases[i].width, kPatchCases[i].height), kPatchCases[i], 17);
  }
}

TEST_CASE("hunt: ten seeds, an answer of the whole model, launches started early") {
  std::vector<std::vector<std::int32_t>> ids[2], in_blocks[2];
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    SessionOptions options;
    options.wrap_ops = [&](std::unique_ptr<Ops>) {
      return hunting_ops(seed, seed % 2 ? ActivationFormat::auto_ : ActivationFormat::f32);
    };
    Session session = Session::open(source("tests/checkpoints/odd"), options);
    Image image(24, 20);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::uint8_t(i * 37 % 251);
    AskOptions ask;
    ask.generation.max_new_tokens = 8;
    const EncodedImage encoded = session.encode(image);
    const Result result = session.ask(encoded, question(Task::ground_multi, "red circle"), ask);
    ids[seed % 2].push_back(result.token_ids);
    CHECK(ids[seed % 2].front() == result.token_ids);
    // Blocks that follow blocks which nobody has read.
    ask.generation.mode = Mode::fast;
    ask.generation.max_new_tokens = 20;
    const Result blocks = session.ask(encoded, question(Task::ground_multi, "red circle"), ask);
    in_blocks[seed % 2].push_back(blocks.token_ids);
    CHECK(in_blocks[seed % 2].front() == blocks.token_ids);
    CHECK(session.statistics().taken_ahead >= 2);
  }
}

}  // namespace la::test
