// Makes a smaller checkpoint from a bf16 one: `quantize --model-dir DIR --out DIR --format mixed`.

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <new>

#include "cli/calibration.hpp"
#include "cli/model_flags.hpp"
#include "cli/run_main.hpp"

namespace la::cli {
namespace {

struct QuantizeFlags {
  std::string model_dir, model_id, revision, out, format,
      parts = "decoder,vision,projector,head", layout = "packed", method = "calibrated", calibration;
  int threads = 0;
  bool resume = false, help = false, version = false;

  void add_to(Flags& flags) {
    flags.text("--model-dir", "DIR",
               "checkpoint to quantise [$LA_MODEL_DIR, else the cached --model-id, else bundled]", model_dir);
    flags.text("--model-id", "ORG/NAME", "looked up in the Hugging Face cache [nvidia/LocateAnything-3B]",
               model_id);
    flags.text("--revision", "NAME", "branch, tag or commit of --model-id [main]", revision);
    flags.text("--out", "DIR", "becomes a complete checkpoint directory", out);
    flags.text("--format", "NAME", "q8, q4 or mixed: 4-bit decoder, all else in 8 bits", format);
    flags.text("--parts", "A,B", "what is quantised; the rest stays as it is [decoder,vision,projector,head]",
               parts);
    flags.text("--layout", "NAME",
               "packed: mapped by la with no conversion; gptq: for other tools, q4 only [packed]", layout);
    flags.text("--method", "NAME", "calibrated or rtn, round to nearest [calibrated]", method);
    flags.text("--calibration", "PATH", "folder of pictures, or JSONL as for batch [the bundled pictures]",
               calibration);
    flags.on("--resume", "go on with an interrupted run", resume);
    flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", threads, 1, 4096);
    flags.on("--version", "print the version", version);
    flags.on("--help", "print this", help);
  }

  std::set<ModelPart> chosen_parts() const {
    std::set<ModelPart> chosen;
    for (std::size_t begin = 0; begin <= parts.size();) {
      const std::size_t end = std::min(parts.find(',', begin), parts.size());
      chosen.insert(ModelFlags::choose<ModelPart>("--parts", parts.substr(begin, end - begin),
                                                  {{"decoder", ModelPart::decoder},
                                                   {"vision", ModelPart::vision},
                                                   {"projector", ModelPart::projector},
                                                   {"head", ModelPart::head}}));
      begin = end + 1;
    }
    return chosen;
  }

  QuantizeOptions options() const {
    if (out.empty()) fail_usage("--out: expected a directory to write, found none");
    QuantizeOptions o;
    o.format = ModelFlags::choose<QuantizeFormat>(
        "--format", format,
        {{"q8", QuantizeFormat::q8}, {"q4", QuantizeFormat::q4}, {"mixed", QuantizeFormat::mixed}});
    o.parts = chosen_parts();
    o.layout = ModelFlags::choose<QuantizeLayout>(
        "--layout", layout, {{"packed", QuantizeLayout::packed}, {"gptq", QuantizeLayout::gptq}});
    o.method = ModelFlags::choose<QuantizeMethod>(
        "--method", method, {{"calibrated", QuantizeMethod::calibrated}, {"rtn", QuantizeMethod::rtn}});
    o.resume = resume;
    o.threads = threads;
    if (o.method == QuantizeMethod::calibrated && o.format != QuantizeFormat::q8) {
      o.samples_name = calibration.empty() ? data_directory() + "/pictures/calibration.jsonl" : calibration;
      o.samples = load_calibration(o.samples_name);
    }
    return o;
  }
};

/// On a terminal a line that moves; elsewhere nothing.
void show_progress(QuantizeOptions& options) {
  if (::isatty(STDERR_FILENO) != 1) return;
  options.progress = [](std::string_view step, double done) {
    constexpr int kWidth = 30;
    std::string bar(std::size_t(done * kWidth), '#');
    bar.resize(kWidth, '.');
    std::cerr << "\r\033[K[" << bar << "] " << int(done * 100) << " % " << step << std::flush;
  };
}

void print_summary(const QuantizeSummary& s, const std::string& out) {
  char line[300];
  std::snprintf(line, sizeof line, "%.2f bits a weight; %.3f GB, from %.3f GB\n",
                8.0 * double(s.weight_bytes) / double(s.weights), double(s.bytes) / 1e9,
                double(s.source_bytes) / 1e9);
  std::cerr << line;
  const QuantizeErrors& e = s.errors;
  if (e.outputs > 0) {
    std::snprintf(
        line, sizeof line,
        "error of the 4-bit layers' outputs, as a share of them: round to nearest %.3e, scale search %.3e, "
        "error feedback %.3e, refinement %.3e\n",
        e.rtn / e.outputs, e.search / e.outputs, e.feedback / e.outputs, e.refined / e.outputs);
    std::cerr << line;
  }
  std::cerr << "wrote " << out << "\n";
}

void run(int argc, char** argv) {
  QuantizeFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (flags.help) {
    std::cout << "quantize: a smaller checkpoint from a bf16 one\n\n"
              << parser.help()
              << "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted: --resume goes on.\n";
    return;
  }
  if (flags.version) {
    std::cout << "quantize (la) " << LA_VERSION << "\n";
    return;
  }
  QuantizeOptions options = flags.options();
  ModelFlags model;
  model.model_dir = flags.model_dir;
  model.model_id = flags.model_id;
  model.revision = flags.revision;
  const std::string directory = model.directory();
  show_progress(options);
  const QuantizeSummary summary = quantize(directory, flags.out, options);
  if (options.progress) std::cerr << "\r\033[K";
  print_summary(summary, flags.out);
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("quantize", [&] { return la::cli::run(argc, argv); });
}
