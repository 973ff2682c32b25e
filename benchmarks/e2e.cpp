// The stages of one picture at several sizes, weight formats and instruction sets, each in a process of its own.
//
//   e2e --model-dir DIR                                 all sizes, weights as stored
//   e2e --model-dir DIR --weights bf16,q4 --isa avx2,best --sizes 640x360
//   e2e --model-dir DIR --weights bf16,q4 --device cuda
//   e2e --model-dir DIR --limit                         and the share of the processor's arithmetic that is reached

#include <simdjson.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/core/default_threads.hpp"
#include "la/la.hpp"
#include "machine.hpp"
#include "model_arithmetic.hpp"

namespace la::bench {
namespace {

struct Options {
  std::string model_dir, weights = "auto", isa = "best", sizes = "224x224,448x448,640x360,1024x1024",
                         mode = "hybrid", device = "cpu", activations = "auto";
  int tokens = 16, threads = 0, repetitions = 1;
  bool limit = false, json = false, help = false;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

/// A picture with structure at every scale, so that nothing about it is special.
void write_image(const std::string& path, i64 width, i64 height) {
  Image image(width, height);
  std::uint32_t noise = 1;
  for (i64 y = 0; y < height; ++y)
    for (i64 x = 0; x < width; ++x) {
      noise = noise * 1664525u + 1013904223u;
      std::uint8_t* p = image.row(y) + 3 * x;
      p[0] = std::uint8_t(x * 255 / width);
      p[1] = std::uint8_t((x / 16 + y / 16) % 2 * 128 + (noise >> 28));
      p[2] = std::uint8_t(y * 255 / height);
    }
  write_png(path, image);
}

struct Outcome {
  int status = -1;
  std::string json, error;
};

/// Runs the ground program beside this one: what fails or runs out of memory takes only its own row with it.
Outcome run_ground(const std::string& self, const std::vector<std::string>& arguments,
                   const std::string& folder) {
  const std::string program =
      (std::filesystem::path(self).parent_path().parent_path() / "examples" / "ground").string();
  std::string line = "'" + program + "'";
  for (const std::string& a : arguments) line += " '" + a + "'";
  line += " 2> '" + folder + "/stderr'";
  Outcome outcome;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  require(pipe, program, ": could not be started");
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) outcome.json.append(buffer, n);
  outcome.status = ::pclose(pipe);
  std::ifstream in(folder + "/stderr");
  for (std::string text; std::getline(in, text);)
    if (text.starts_with("ground: ")) outcome.error = text;
  return outcome;
}

/// Seconds that vision and prefill of an answer of ground would take at the rates of their arithmetic, measured now.
class Limit {
 public:
  explicit Limit(const Options& o)
      : config_(ModelConfig::load(o.model_dir)),
        tokenizer_(Tokenizer::load(o.model_dir)),
        threads_(o.threads > 0 ? o.threads : default_threads()) {}

  double seconds(simdjson::dom::element answer) const {
    const i64 patches = std::int64_t(answer["grid"].at(0)) * std::int64_t(answer["grid"].at(1));
    const i64 image_tokens = patches / (config_.vision.merge * config_.vision.merge);
    const Prompt prompt = build_prompt(tokenizer_, config_.tokens,
                                       PromptText(std::string_view(answer["query"])), {&image_tokens, 1});
    const Arithmetic vision = vision_arithmetic(config_, patches),
                     prefill = prefill_arithmetic(config_, i64(prompt.ids.size()));
    const std::string_view isa = answer["isa"], activations = answer["activations"];
    const Machine machine(isa, threads_);
    const double fma = machine.fma(0.1), int8 = activations == "q8" ? machine.int8(0.1) : 0;
    return (vision.products + prefill.products) / (int8 > 0 ? int8 : fma) +
           (vision.attention + prefill.attention) / fma;
  }

 private:
  ModelConfig config_;
  Tokenizer tokenizer_;
  int threads_;
};

void print_row(const Options& o, const std::string& size, const std::string& weights, const std::string& isa,
               const Outcome& outcome, const Limit* limit) {
  if (outcome.status != 0) {
    const std::string why = !outcome.error.empty() ? outcome.error
                            : WIFSIGNALED(outcome.status)
                                ? "killed by signal " + std::to_string(WTERMSIG(outcome.status))
                                : "exit " + std::to_string(WEXITSTATUS(outcome.status));
    if (o.json)
      std::cout << "{\"size\":" << json_quote(size) << ",\"weights\":" << json_quote(weights)
                << ",\"isa\":" << json_quote(isa) << ",\"error\":" << json_quote(why) << "}" << std::endl;
    else
      std::printf("%-10s %-6s %-11s %s\n", size.c_str(), weights.c_str(), isa.c_str(), why.c_str());
    return;
  }
  simdjson::dom::parser parser;
  const simdjson::dom::element e = parser.parse(outcome.json);
  const auto seconds = [&](const char* stage) { return double(e["seconds"][stage]); };
  const double steps = double(std::int64_t(e["forward_steps"])), decode = seconds("decode");
  const std::size_t tokens = e["token_ids"].get_array().size();
  std::size_t boxes = 0;
  for (simdjson::dom::element item : e["items"].get_array()) boxes += std::string_view(item["kind"]) == "box";
  const double ideal = limit ? limit->seconds(e) : 0;
  const double total = seconds("preprocess") + seconds("vision") + seconds("prefill") + decode;
  if (o.json) {
    std::cout << "{\"size\":" << json_quote(size)
              << ",\"patches\":" << std::int64_t(e["grid"].at(0)) * std::int64_t(e["grid"].at(1))
              << (limit ? ",\"limit_seconds\":" + json_number(ideal) : "")
              << ",\"run\":" << outcome.json.substr(0, outcome.json.find_last_not_of('\n') + 1) << "}"
              << std::endl;
    return;
  }
  std::printf("%-10s %-6s %-11s %7.2f %8.3f %8.2f %8.2f %8.3f %9.3f %9.2f %8.2f %8.0f", size.c_str(),
              std::string(std::string_view(e["weights"])).c_str(),
              std::string(std::string_view(e["isa"])).c_str(), seconds("load"), seconds("preprocess"),
              seconds("vision"), seconds("prefill"), decode, steps > 1 ? decode / (steps - 1) : 0.0,
              double(tokens) / total, double(boxes) / total, double(e["peak_rss_mb"]));
  if (limit) std::printf(" %6.0f %%", 100 * ideal / (seconds("vision") + seconds("prefill")));
  std::printf("\n");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Options o;
  cli::Flags flags;
  flags.text("--model-dir", "DIR", "checkpoint, e.g. one of random weights and the real size", o.model_dir);
  flags.text("--weights", "A,B", "formats, see ground --weights [auto]", o.weights);
  flags.text("--isa", "A,B", "instruction sets, see ground --isa [best]", o.isa);
  flags.text("--device", "NAME", "see ground --device [cpu]", o.device);
  flags.text("--activations", "NAME", "see ground --activations [auto]", o.activations);
  flags.text("--sizes", "WxH,WxH", "pictures [224x224,448x448,640x360,1024x1024]", o.sizes);
  flags.text("--generation-mode", "NAME", "slow: one token a pass, fast and hybrid: blocks [hybrid]", o.mode);
  flags.number<int>("--max-tokens", "[16]", o.tokens, 1, 100000);
  flags.number<int>("--repetitions", "rows for each setting [1]", o.repetitions, 1, 100);
  flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", o.threads, 1, 4096);
  flags.on("--limit", "and what share vision and prefill reach of the processor's arithmetic, measured too",
           o.limit);
  flags.on("--json", "one object a line", o.json);
  flags.on("--help", "print this", o.help);
  flags.parse(argc, argv);
  if (o.help) {
    std::cout << "e2e: stages of one picture, each setting in a process of its own\n\n" << flags.help();
    return 0;
  }
  if (o.model_dir.empty()) fail_usage("--model-dir: expected a checkpoint directory, found none");
  if (o.limit && o.device != "cpu") fail_usage("--limit: expected --device cpu, found '", o.device, "'");
  std::optional<Limit> limit;
  if (o.limit) limit.emplace(o);

  std::string folder = (std::filesystem::temp_directory_path() / "la-e2e-XXXXXX").string();
  require(::mkdtemp(folder.data()) != nullptr, folder, ": could not be made");
  if (!o.json)
    std::printf("%-10s %-6s %-11s %7s %8s %8s %8s %8s %9s %9s %8s %8s%s\n", "picture", "weight", "isa",
                "load s", "prep s", "vision s", "prefill", "decode", "s a step", "tokens/s", "boxes/s",
                "peak MB", o.limit ? "    limit" : "");
  for (const std::string& size : split(o.sizes)) {
    const std::size_t x = size.find('x');
    if (x == std::string::npos) fail_usage("--sizes: expected WxH, found '", size, "'");
    const std::string image = folder + "/" + size + ".png";
    write_image(image, cli::Flags::parse_number<i64>("--sizes", size.substr(0, x), 1, 20000),
                cli::Flags::parse_number<i64>("--sizes", size.substr(x + 1), 1, 20000));
    for (const std::string& weights : split(o.weights))
      for (const std::string& isa : split(o.isa))
        for (int r = 0; r < o.repetitions; ++r) {
          std::vector<std::string> arguments{"--json", "--stop", "official"};
          const auto pass = [&](const char* flag, const std::string& value) {
            arguments.insert(arguments.end(), {flag, value});
          };
          pass("--model-dir", o.model_dir);
          pass("--image", image);
          pass("--weights", weights);
          pass("--generation-mode", o.mode);
          pass("--max-tokens", std::to_string(o.tokens));
          pass("--device", o.device);
          pass("--activations", o.activations);
          if (isa != "best") pass("--isa", isa);
          if (o.threads > 0) pass("--threads", std::to_string(o.threads));
          print_row(o, size, weights, isa, run_ground(argv[0], arguments, folder), limit ? &*limit : nullptr);
        }
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return 0;
}

}  // namespace
}  // namespace la::bench

int main(int argc, char** argv) {
  return la::cli::run_main("e2e", [&] { return la::bench::run(argc, argv); });
}
