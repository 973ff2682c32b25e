// Whether batching changes any answer, and what it buys, on any checkpoint and pictures.
//
//   equivalence --model-dir DIR --image a.jpg --image b.jpg            the gate, then the throughput
//   equivalence --model-dir DIR --weights q4 --gate off --tokens 16

#include <cstdio>
#include <iostream>

#include "../tests/session/equivalence.hpp"
#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/la.hpp"

namespace la::equivalence {
namespace {

struct Options {
  std::string model_dir, weights = "auto", activations = "auto", device = "cpu", isa, threads = "1,2,3",
                         gate = "on", throughput = "on", sharing = "on", batches = "1,2,4,8,16",
                         modes = "slow,fast";
  std::vector<std::string> images;
  i64 tokens = 16, width = 640, height = 360;
  int measured_threads = 0;
  bool help = false;

  void add_to(cli::Flags& flags) {
    flags.text("--model-dir", "DIR", "checkpoint", model_dir);
    flags.text("--image", "PATH", "a picture; may be repeated [three drawn ones]",
               [this](const std::string& path) { images.push_back(path); });
    flags.number<i64>("--width", "of the drawn pictures [640]", width, 28, 4096);
    flags.number<i64>("--height", "of the drawn pictures [360]", height, 28, 4096);
    flags.text("--weights", "NAME", "as of ground [auto]", weights);
    flags.text("--activations", "NAME", "as of ground [auto]", activations);
    flags.text("--device", "NAME", "as of ground [cpu]", device);
    flags.text("--isa", "NAME", "as of ground [best]", isa);
    flags.text("--gate", "on|off", "check answers and logits [on]", gate);
    flags.text("--threads", "LIST", "numbers of threads that the gate runs with [1,2,3]", threads);
    flags.text("--throughput", "on|off", "measure what sharing and batching buy [on]", throughput);
    flags.text("--sharing", "on|off", "with --throughput on: whether sharing is measured [on]", sharing);
    flags.text("--batches", "LIST", "batch sizes to measure [1,2,4,8,16]", batches);
    flags.text("--modes", "LIST", "generation modes to measure [slow,fast]", modes);
    flags.number<int>("--measured-threads", "of the throughput part [all cores]", measured_threads, 1, 4096);
    flags.number<i64>("--tokens", "length of the answers [16]", tokens, 1, 4096);
    flags.on("--help", "print this", help);
  }
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

/// A picture with structure at every scale.
Image drawn(i64 width, i64 height, std::uint32_t seed) {
  Image image(width, height);
  std::uint32_t noise = seed;
  for (i64 y = 0; y < height; ++y)
    for (i64 x = 0; x < width; ++x) {
      noise = noise * 1664525u + 1013904223u;
      std::uint8_t* p = image.row(y) + 3 * x;
      p[0] = std::uint8_t(x * 255 / width);
      p[1] = std::uint8_t((x / 16 + y / 16 + seed) % 2 * 128 + (noise >> 28));
      p[2] = std::uint8_t(y * 255 / height);
    }
  return image;
}

std::vector<Image> images(const Options& options) {
  std::vector<Image> all;
  for (const std::string& path : options.images) all.push_back(load_image(path));
  // The gate wants several sizes.
  for (std::uint32_t i = 0; all.size() < 3; ++i)
    all.push_back(drawn(options.width - 28 * i, options.height, i + 1));
  return all;
}

std::vector<PromptText> questions() {
  std::vector<PromptText> all;
  for (const char* phrase :
       {"red car", "red bus", "the person on the left", "dog", "traffic light", "window", "green bag", "a"})
    all.push_back(question(Task::ground_multi, phrase));
  return all;
}

Session open(const Options& options, int threads) {
  SessionOptions session;
  session.weights = parse_weight_format(options.weights);
  session.activations = parse_activation_format(options.activations);
  session.device = options.device;
  session.isa = options.isa;
  session.threads = threads;
  session.kept_prefixes = 64;
  session.kv_budget_bytes = 0;
  return Session::open(options.model_dir, session);
}

/// error: none, it prints and counts
int gate(const Options& options, std::span<const Image> images, std::span<const PromptText> asked) {
  int failures = 0;
  std::vector<std::vector<Trace>> want;
  for (const std::string& threads : split(options.threads)) {
    Session session = open(options, std::stoi(threads));
    std::size_t tier_number = 0;
    for (const float penalty : {1.0f, 1.15f}) {
      for (const Tier& tier : tiers(images, asked, options.tokens, penalty)) {
        if (tier_number == want.size()) want.push_back(run_alone(session, tier.cases));
        const std::vector<Trace>& alone = want[tier_number++];
        std::vector<std::string> wrong = differences(session, tier, alone);
        for (const Trace& trace : alone)
          if (!trace.error.empty()) wrong.push_back(trace.error);
        std::size_t steps = 0;
        for (const Trace& trace : alone) steps += trace.steps.size();
        std::printf("%-9s %-30s %zu rows, %zu steps, both orders, threads %s, penalty %.2f\n",
                    wrong.empty() ? "same" : "DIFFERENT", tier.name.c_str(), alone.size(), steps,
                    threads.c_str(), double(penalty));
        for (const std::string& difference : wrong) std::printf("          %s\n", difference.c_str());
        std::fflush(stdout);
        failures += int(wrong.size());
      }
    }
  }
  return failures;
}

struct Measured {
  double seconds = 0;
  i64 tokens = 0, steps = 0, passes = 0;

  Measured operator-(const Measured& other) const {
    return {seconds - other.seconds, tokens - other.tokens, steps - other.steps, passes - other.passes};
  }
};

Measured measure(Session& session, const std::vector<Request>& requests, const BatchOptions& options) {
  Measured m;
  const i64 passes_before = session.statistics().passes;
  Stopwatch watch;
  const std::vector<Result> results = session.batch(requests, options);
  m.seconds = watch.lap();
  m.passes = session.statistics().passes - passes_before;
  for (const Result& result : results) {
    require(result.ok(), result.error);
    m.tokens += i64(result.token_ids.size());
    m.steps += result.forward_steps;
  }
  return m;
}

GenerationOptions generation(const std::string& mode, i64 tokens) {
  GenerationOptions g;
  g.mode = mode == "slow" ? Mode::slow : mode == "fast" ? Mode::fast : Mode::hybrid;
  g.stop = StopPolicy::official;
  g.max_new_tokens = tokens;
  return g;
}

Request request(ImageSource image, const PromptText& question, const GenerationOptions& g) {
  Request r;
  r.images.push_back(std::move(image));
  r.question = question;
  r.options.generation = g;
  return r;
}

/// One picture and its questions, one switch after another.
void measure_sharing(const Options& options, Session& session, const std::vector<PromptText>& asked) {
  const GenerationOptions g = generation("slow", options.tokens);
  const struct {
    const char* name;
    bool vision, prefix;
    i64 batch_size;
    std::size_t questions;
  } steps[] = {{"1 question", false, false, 1, 1},
               {"8 questions, nothing shared", false, false, 1, 8},
               {"8 questions, vision shared", true, false, 1, 8},
               {"8 questions, vision and prefix shared", true, true, 1, 8},
               {"8 questions, all shared, in a batch", true, true, 8, 8}};
  double first = 0;
  std::uint32_t seed = 100;
  // Not timed: the first run pays for weights not read yet and memory not used yet.
  measure(session, {request(drawn(options.width, options.height, seed), asked[0], g)}, {});
  for (const auto& step : steps) {
    const Image image = drawn(options.width, options.height, ++seed);  // no step finds what another left
    std::vector<Request> requests;
    for (std::size_t i = 0; i < step.questions; ++i) requests.push_back(request(image, asked[i], g));
    BatchOptions batch;
    batch.batch_size = step.batch_size;
    batch.share_vision = step.vision;
    batch.share_prefix = step.prefix;
    const Measured m = measure(session, requests, batch);
    if (first == 0) first = m.seconds;
    std::printf("%-40s %8.2f s  %5.2f x one question\n", step.name, m.seconds, m.seconds / first);
    std::fflush(stdout);
  }

  const EncodedImage image = session.encode(drawn(options.width, options.height, ++seed));
  AskOptions ask;
  ask.generation = generation("slow", 1);
  const double one = session.ask(image, asked[0], ask).prefill_seconds,
               two = session.ask(image, asked[1], ask).prefill_seconds;
  const double whole = image.preprocess_seconds + image.vision_seconds + one;
  std::printf(
      "first token: first question %.3f s (vision %.3f, prefill %.3f), second question %.3f s = %.1f %%\n",
      whole, image.preprocess_seconds + image.vision_seconds, one, two, 100 * two / whole);
}

/// Decoding alone: pictures are encoded and prompts are known before, and what is left of them, with the first token,
/// is measured by itself and taken off.
void measure_batches(const Options& options, Session& session, const PromptText& asked) {
  std::vector<i64> sizes;
  for (const std::string& size : split(options.batches)) sizes.push_back(std::stoll(size));
  const std::size_t rows = std::size_t(*std::max_element(sizes.begin(), sizes.end()));
  std::vector<EncodedImage> images;
  for (std::uint32_t i = 0; i < rows; ++i)
    images.push_back(session.encode(drawn(options.width, options.height, 1000 + i)));
  for (const std::string& mode : split(options.modes)) {
    const auto requests = [&](i64 tokens) {
      std::vector<Request> all;
      for (const EncodedImage& image : images) all.push_back(request(image, asked, generation(mode, tokens)));
      return all;
    };
    BatchOptions batch;
    batch.batch_size = i64(rows);
    measure(session, requests(1), batch);
    double serial = 0;
    for (const i64 size : sizes) {
      batch.batch_size = size;
      const Measured first = measure(session, requests(1), batch);
      const Measured m = measure(session, requests(options.tokens), batch) - first;
      if (m.steps <= 0)
        fail_usage("--tokens: expected more than one step of mode ", mode, ", found ", options.tokens);
      const double rate = double(m.steps) / m.seconds;
      if (serial == 0) serial = rate;
      std::printf("%-6s batch %2lld: %7.2f row steps/s, %7.2f tokens/s, %5.2f x batch %lld, %.3f s a pass\n",
                  mode.c_str(), static_cast<long long>(size), rate, double(m.tokens) / m.seconds,
                  rate / serial, static_cast<long long>(sizes[0]), m.seconds / double(m.passes));
      std::fflush(stdout);
    }
  }
}

int run_program(int argc, char** argv) {
  Options options;
  cli::Flags flags;
  options.add_to(flags);
  flags.parse(argc, argv);
  if (options.help) {
    std::cout << "equivalence: whether batching changes any answer, and what it buys\n\n" << flags.help();
    return 0;
  }
  if (options.model_dir.empty()) fail_usage("--model-dir: expected a checkpoint directory");
  const std::vector<PromptText> asked = questions();
  int failures = 0;
  if (options.gate == "on") failures = gate(options, images(options), asked);
  if (options.throughput == "on") {
    Session session = open(options, options.measured_threads);
    std::printf("%s, weights %s, %d threads, %lldx%lld\n", std::string(session.ops().name()).c_str(),
                std::string(session.weight_format()).c_str(), session.ops().threads(),
                static_cast<long long>(options.width), static_cast<long long>(options.height));
    if (options.sharing == "on") measure_sharing(options, session, asked);
    measure_batches(options, session, asked[0]);
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace la::equivalence

int main(int argc, char** argv) {
  return la::cli::run_main("equivalence", [&] { return la::equivalence::run_program(argc, argv); });
}
