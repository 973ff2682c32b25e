#include "../scenes/images.hpp"
#include "ground_answer.hpp"
#include "la/image/load.hpp"
#include "la/session/session.hpp"

using namespace la;
using namespace la::test;

namespace {

const std::string kQuestion =
    "Locate all the instances that matches the following description: star</c>green star.";
const std::string kImage = source("tests/goldens/shapes/images/16.png");

/// What the library answers with these options.
std::vector<std::int32_t> expected(const AskOptions& options) {
  Session session = Session::open(source("data/shapes"));
  return session.ask(session.encode(load_image(kImage)), PromptText(kQuestion), options).token_ids;
}

std::vector<std::int32_t> answered(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--image", kImage, "--query", kQuestion});
  return ids_of(std::move(arguments));
}

Program with(std::map<std::string, std::string> environment, std::vector<std::string> arguments) {
  Program program = ground_program(std::move(arguments));
  program.environment = std::move(environment);
  return program;
}

/// A Hugging Face cache with one model, which is a checkpoint of the source tree.
void make_cache(const std::string& cache, const std::string& folder, const std::string& checkpoint) {
  const std::filesystem::path model = std::filesystem::path(cache) / folder;
  std::filesystem::create_directories(model / "refs");
  std::filesystem::create_directories(model / "snapshots");
  std::ofstream(model / "refs" / "main") << "0123abcd";
  std::filesystem::create_directory_symlink(source(checkpoint), model / "snapshots" / "0123abcd");
}

std::string summary(Program program) {
  program.command.push_back("--dry");
  const Outcome outcome = run(program);
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  return outcome.out;
}

bool is_odd(const std::string& dry) {
  return dry.find("position grid 6x6") != std::string::npos;
}

}  // namespace

TEST_CASE("ground: each decoding flag does what the library's option does") {
  AskOptions options;
  const std::vector<std::int32_t> plain = expected(options);
  CHECK(answered({}) == plain);

  options.generation.mode = Mode::slow;
  CHECK(answered({"--generation-mode", "slow"}) == expected(options));
  options.generation.mode = Mode::fast;
  const std::vector<std::int32_t> fast = expected(options);
  CHECK(answered({"--generation-mode", "fast"}) == fast);
  options.generation.stop = StopPolicy::official;
  REQUIRE(expected(options) != fast);
  CHECK(answered({"--generation-mode", "fast", "--stop", "official"}) == expected(options));

  options = {};
  options.generation.max_new_tokens = 5;
  CHECK(answered({"--max-tokens", "5"}) == expected(options));

  options = {};
  options.generation.sampling.repetition_penalty = 1.5f;
  REQUIRE(expected(options) != plain);
  CHECK(answered({"--repetition-penalty", "1.5"}) == expected(options));
}

TEST_CASE("ground: --prompt-style chat is another prompt") {
  // The scores of two prompts differ by ten times what an instruction set makes of one.
  const auto same = [](double a, double b) { return std::abs(a - b) < 5e-5 * b; };
  const auto told = [](const char* style) {
    const Outcome outcome = ground({"--json", "--phrase", "blue ring", "--prompt-style", style});
    REQUIRE(outcome.status == 0);
    return number(items(Answers(outcome.out)[0]).at(0), "score");
  };
  Session session = Session::open(source("data/shapes"));
  const EncodedImage image = session.encode(load_image(source("data/pictures/shapes.png")));
  const auto score = [&](PromptStyle style) {
    AskOptions options;
    options.prompt_style = style;
    return double(session.ground(image, "blue ring", options).items.at(0).score);
  };
  const double processor = score(PromptStyle::processor), chat = score(PromptStyle::chat);
  REQUIRE(!same(processor, chat));
  CHECK(same(told("processor"), processor));
  CHECK(same(told("chat"), chat));
}

TEST_CASE("ground: sampling is the library's, and the same seed gives the same answer") {
  AskOptions options;
  options.generation.mode = Mode::slow;
  options.generation.sampling.temperature = 2.0f;
  options.generation.sampling.seed = 7;
  const std::vector<std::string> arguments{"--generation-mode", "slow", "--temperature", "2"};
  const auto with_flags = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), more);
    return answered(all);
  };
  const std::vector<std::int32_t> seven = with_flags({"--seed", "7"});
  CHECK(seven == expected(options));
  CHECK(seven == with_flags({"--seed", "7"}));
  CHECK(seven != with_flags({"--seed", "8"}));
  CHECK(seven != with_flags({}));

  options.generation.sampling.top_k = 3;
  REQUIRE(expected(options) != seven);
  CHECK(with_flags({"--seed", "7", "--top-k", "3"}) == expected(options));
  options.generation.sampling.top_k = 0;
  options.generation.sampling.top_p = 0.5f;
  REQUIRE(expected(options) != seven);
  CHECK(with_flags({"--seed", "7", "--top-p", "0.5"}) == expected(options));
}

TEST_CASE("ground: threads, instruction set, backend and warming up change nothing in the answer") {
  const std::vector<std::int32_t> plain = answered({});
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--threads", "1"},
                                                    {"--threads", "2"},
                                                    {"--threads", "3"},
                                                    {"--isa", "scalar"},
                                                    {"--isa", "best"},
                                                    {"--device", "cpu"},
                                                    {"--device", "auto"},
                                                    {"--weights", "auto"},
                                                    {"--weights", "bf16"},
                                                    {"--weights", "f32"},
                                                    {"--activations", "f32"},
                                                    {"--activations", "auto"},
                                                    {"--backend", "reference"},
                                                    {"--backend", "check"},
                                                    {"--warmup"}}) {
    CAPTURE(arguments[0]);
    CAPTURE(arguments.back());
    CHECK(answered(arguments) == plain);
  }
}

TEST_CASE("ground: integer weights find the same thing and say what they are") {
  const scenes::Box truth = scenes::find(scenes::shapes_image(), "red circle").box();
  for (const char* weights : {"q8", "q4"})
    for (const char* activations : {"auto", "f32", "q8"}) {
      CAPTURE(weights);
      CAPTURE(activations);
      const Outcome outcome =
          ground({"--json", "--phrase", "red circle", "--weights", weights, "--activations", activations});
      CHECK(scenes::iou(first_box(outcome), truth) > 0.7);
      const Answers answers(outcome.out);
      CHECK(text(answers[0], "weights").starts_with(weights));
      CHECK(text(answers[0], "activations").starts_with(activations == std::string("f32") ? "f32" : "q8"));
    }
}

TEST_CASE("ground: --isa and $LA_ISA choose, --isa list tells what there is") {
  const auto isa_of = [](const Program& program) {
    const Outcome outcome = run(program);
    REQUIRE(outcome.status == 0);
    return text(Answers(outcome.out)[0], "isa");
  };
  CHECK(isa_of(with({}, {"--json", "--isa", "scalar"})) == "scalar");
  CHECK(isa_of(with({{"LA_ISA", "scalar"}}, {"--json"})) == "scalar");
  const Outcome list = ground({"--isa", "list"});
  CHECK(list.status == 0);
  CHECK(list.out.find("scalar (nothing): runs here\n") != std::string::npos);
  const std::string best = isa_of(with({}, {"--json"}));
  CHECK(list.out.find(best + " (") != std::string::npos);
  CHECK(isa_of(with({{"LA_ISA", "scalar"}}, {"--json", "--isa", best})) == best);
}

TEST_CASE("ground: $LA_IMAGE, $LA_MODEL_DIR, $LA_DEVICE and $LA_DATA_DIR") {
  const Program image = with({{"LA_IMAGE", source("data/pictures/crowd.png")}}, {"--json"});
  CHECK(text(Answers(run(image).out)[0], "image") == source("data/pictures/crowd.png"));
  CHECK(is_odd(summary(with({{"LA_MODEL_DIR", source("tests/checkpoints/odd")}}, {}))));
  CHECK(!is_odd(summary(
      with({{"LA_MODEL_DIR", source("tests/checkpoints/odd")}}, {"--model-dir", source("data/shapes")}))));
  CHECK(run(with({{"LA_DEVICE", "cpu"}}, {})).status == 0);
  CHECK(run(with({{"LA_DEVICE", "abacus"}}, {})).last_error().find("$LA_DEVICE: ") != std::string::npos);
  CHECK(run(with({{"LA_DEVICE", "abacus"}}, {"--device", "cpu", "--dry"})).status == 0);

  TemporaryDirectory data;
  std::filesystem::create_directory_symlink(source("tests/checkpoints/odd"), data / "shapes");
  CHECK(is_odd(summary(with({{"LA_DATA_DIR", data.str()}}, {}))));
}

TEST_CASE(
    "ground: a model id is looked up in the cache, and only the default one gives way to the bundled "
    "checkpoint") {
  TemporaryDirectory cache;
  make_cache(cache.str(), "models--acme--odd", "tests/checkpoints/odd");
  const std::map<std::string, std::string> environment{{"HF_HUB_CACHE", cache.str()}};
  CHECK(is_odd(summary(with(environment, {"--model-id", "acme/odd"}))));

  const Outcome bundled = run(with(environment, {"--dry"}));
  CHECK(bundled.status == 0);
  CHECK(!is_odd(bundled.out));
  CHECK(bundled.err.find("bundled checkpoint") != std::string::npos);

  for (const char* id : {"acme/other", "nvidia/LocateAnything-3B"}) {
    const Outcome missing = run(with(environment, {"--model-id", id}));
    CHECK(missing.status == 1);
    CHECK(missing.last_error().find("ground: " + std::string(id) + ": not in the Hugging Face cache") == 0);
    CHECK(missing.out.empty());
  }

  make_cache(cache.str(), "models--nvidia--LocateAnything-3B", "tests/checkpoints/odd");
  CHECK(is_odd(summary(with(environment, {}))));
}

TEST_CASE("ground: a revision of a model is opened by --revision or behind its id, and the answer names it") {
  TemporaryDirectory cache;
  const std::filesystem::path model = std::filesystem::path(cache.str()) / "models--acme--two";
  for (const auto& [commit, checkpoint] :
       {std::pair("aaaa", "data/shapes"), std::pair("bbbb", "tests/checkpoints/odd")}) {
    std::filesystem::create_directories(model / "snapshots" / commit);
    for (const auto& file : std::filesystem::directory_iterator(source(checkpoint)))
      std::filesystem::create_symlink(file.path(), model / "snapshots" / commit / file.path().filename());
  }
  std::filesystem::create_directories(model / "refs");
  std::ofstream(model / "refs" / "main") << "aaaa";
  std::ofstream(model / "refs" / "v2") << "bbbb";
  const std::map<std::string, std::string> environment{{"HF_HUB_CACHE", cache.str()}};
  CHECK(!is_odd(summary(with(environment, {"--model-id", "acme/two"}))));
  for (const std::string revision : {"v2", "bbbb"}) {
    CHECK(is_odd(summary(with(environment, {"--model-id", "acme/two", "--revision", revision}))));
    CHECK(is_odd(summary(with(environment, {"--model-id", "acme/two@" + revision}))));
  }

  const std::string named = R"("model":{"name":"acme/two","revision":"aaaa","weights":"bf16","digest":")";
  const Outcome cached = run(with(environment, {"--model-id", "acme/two", "--json", "--max-tokens", "4"}));
  CHECK(cached.out.find(named) != std::string::npos);
  const Outcome bundled =
      run(with({}, {"--model-dir", source("data/shapes"), "--json", "--max-tokens", "4"}));
  CHECK(bundled.out.find(R"("model":{"name":"shapes","weights":"bf16","digest":")") != std::string::npos);

  const auto refusal = [](const std::map<std::string, std::string>& variables,
                          const std::vector<std::string>& flags) {
    const Outcome outcome = run(with(variables, flags));
    return std::to_string(outcome.status) + " " + outcome.last_error();
  };
  const std::string unknown = refusal(environment, {"--model-id", "acme/two", "--revision", "v3"});
  CHECK_MESSAGE(unknown.starts_with("1 ground: acme/two@v3: not whole in the Hugging Face cache; missing: "),
                unknown);
  CHECK(refusal(environment, {"--revision", "v3"})
            .starts_with("1 ground: nvidia/LocateAnything-3B@v3: not in the Hugging Face cache"));
  CHECK(refusal(environment, {"--model-id", "acme/two@v2", "--revision", "v2"}) ==
        "2 ground: --revision: expected an id without one, found --model-id acme/two@v2");
  CHECK(refusal({}, {"--model-dir", "x", "--revision", "v2"}) ==
        "2 ground: --revision: expected a model by its id, found --model-dir x");
  CHECK(refusal({{"LA_MODEL_DIR", "x"}}, {"--revision", "v2"}) ==
        "2 ground: --revision: expected a model by its id, found $LA_MODEL_DIR x");
}

TEST_CASE("every program with a model has --revision") {
  for (const std::string program : {"ground", "batch", "camera", "quantize"}) {
    const Outcome help = run({{std::string(LA_BUILD_ROOT) + "/examples/" + program, "--help"}, {}});
    CHECK_MESSAGE(help.out.find("\n  --revision ") != std::string::npos, program);
  }
}
