#include "quantize.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "../core/error.hpp"
#include "../core/mapped_file.hpp"
#include "../core/pending_file.hpp"
#include "../model/config.hpp"
#include "calibrate.hpp"
#include "plan.hpp"
#include "quantize_weight.hpp"
#include "staging.hpp"
#include "write_gptq.hpp"
#include "write_packed.hpp"

namespace la {
namespace detail {

/// Moments held at a time; the samples are run again for those that do not fit.
inline constexpr std::size_t kMomentBytes = std::size_t{2} << 30;

/// One run from a checkpoint to its quantised copy.
class Quantizer {
 public:
  Quantizer(const std::string& model_dir, const std::string& out_dir, const QuantizeOptions& options)
      : model_dir_(model_dir),
        out_dir_(out_dir),
        options_(options),
        config_(ModelConfig::load(model_dir)),
        checkpoint_(Checkpoint::open(model_dir)),
        plan_(plan_weights(checkpoint_, config_, options)),
        threads_(options.threads > 0 ? options.threads : default_threads()) {
    check();
  }

  QuantizeSummary run() {
    const Staging staging(out_dir_, settings());
    while (quantize_some(staging)) {
    }
    std::vector<StagedWeight> staged;
    for (const PlannedWeight& w : plan_)
      staged.push_back(staging.find(w.name, w.format, w.outputs, w.inputs).value());
    remove_unfinished();
    copy_other_files();
    write(staged);
    const QuantizeSummary s = summary(staged);
    staged.clear();
    staging.remove();
    return s;
  }

 private:
  void check() const {
    namespace fs = std::filesystem;
    if (options_.layout == QuantizeLayout::gptq && options_.format != QuantizeFormat::q4)
      fail_usage("--layout gptq: expected --format q4, the layout has no other bits");
    const bool unfinished = options_.resume && fs::exists(fs::path(out_dir_) / ".quantize");
    if (fs::exists(out_dir_) && !fs::is_empty(out_dir_) && !unfinished)
      fail(out_dir_, ": expected a new or empty directory",
           options_.resume ? ", or an unfinished run to resume" : "");
    const bool four =
        std::any_of(plan_.begin(), plan_.end(), [](const PlannedWeight& w) { return w.int4(); });
    if (four && calibrated() && options_.samples.empty())
      fail_usage("--calibration: expected at least one picture");
    require(
        options_.layout == QuantizeLayout::packed || four, model_dir_,
        ": expected a layer with a multiple of 32 inputs and 8 outputs in the parts asked for, found none");
  }

  bool calibrated() const { return options_.method == QuantizeMethod::calibrated; }

  std::string settings() const {
    std::string parts;
    for (ModelPart part : options_.parts) parts += std::to_string(int(part));
    return concat(std::filesystem::absolute(model_dir_).lexically_normal().string(), " ",
                  int(options_.format), " ", int(options_.layout), " ", int(options_.method), " ", parts, " ",
                  calibrated() ? options_.samples_name : "");
  }

  /// Quantises what is not done, as far as one run over the samples reaches; whether anything is left.
  bool quantize_some(const Staging& staging) {
    std::set<std::size_t> todo;
    std::map<std::size_t, i64> measured;
    std::size_t bytes = 0;
    bool left = false;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const PlannedWeight& w = plan_[i];
      if (staging.find(w.name, w.format, w.outputs, w.inputs)) continue;
      if (w.int4() && calibrated()) {
        bytes += Moments::bytes(w.inputs);
        left = left || (!measured.empty() && bytes > kMomentBytes);
        if (left) break;
        measured[i] = w.inputs;
      }
      todo.insert(i);
    }
    if (todo.empty()) return false;
    const Calibrator::MomentsOf moments =
        measured.empty() ? Calibrator::MomentsOf{} : calibrator().collect(measured);
    std::size_t at = 0;
    for_each_weight(checkpoint_, config_, [&](const StoredWeight& w) {
      const std::size_t i = at++;
      if (!todo.contains(i)) return;
      if (options_.progress) options_.progress(w.name, double(i) / double(plan_.size()));
      const auto found = moments.find(i);
      quantize_one(w, plan_[i], found == moments.end() ? nullptr : &found->second, staging);
    });
    return left;
  }

  void quantize_one(const StoredWeight& w, const PlannedWeight& plan, const Moments* moments,
                    const Staging& staging) const {
    QuantizeErrors errors;
    const auto packed =
        plan.int4() ? quantize_int4(w.parts, plan.format, moments, threads_, errors)
                    : PackedWeight::pack(
                          w.parts, plan.format == PanelFormat::q8 ? Weights::q8 : Weights::auto_, threads_);
    staging.put(w.name, *packed, errors);
  }

  Calibrator& calibrator() {
    if (!calibrator_) calibrator_ = std::make_unique<Calibrator>(model_dir_, options_);
    return *calibrator_;
  }

  /// What an earlier run was ended in the middle of writing.
  void remove_unfinished() const {
    std::vector<std::filesystem::path> torn;
    for (const auto& entry : std::filesystem::directory_iterator(out_dir_))
      if (entry.path().extension().string().starts_with(".part-")) torn.push_back(entry.path());
    for (const auto& path : torn) std::filesystem::remove(path);
  }

  /// Everything but weights: configs, tokenizer, licence.
  void copy_other_files() const {
    namespace fs = std::filesystem;
    for (const auto& entry : fs::directory_iterator(model_dir_)) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name.ends_with(".safetensors") ||
          name == "model.safetensors.index.json")
        continue;
      const fs::path to = fs::path(out_dir_) / name;
      const MappedFile from = MappedFile::open(entry.path().string());
      PendingFile file(to.string());
      file.write(from.bytes().data(), from.bytes().size());
      file.finish();
    }
  }

  void write(const std::vector<StagedWeight>& staged) const {
    if (options_.progress) options_.progress("writing", 1);
    const std::string path = (std::filesystem::path(out_dir_) / "model.safetensors").string();
    if (options_.layout == QuantizeLayout::packed) return write_packed(path, checkpoint_, plan_, staged);
    const i64 group = write_gptq(path, checkpoint_, plan_, staged);
    add_quantization_config((std::filesystem::path(out_dir_) / "config.json").string(), group);
  }

  QuantizeSummary summary(const std::vector<StagedWeight>& staged) const {
    QuantizeSummary s;
    s.source_bytes = checkpoint_.tensor_bytes();
    s.bytes = Checkpoint::open(out_dir_).tensor_bytes();
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      s.weights += plan_[i].outputs * plan_[i].inputs;
      s.weight_bytes += staged[i].file.find("panels")->bytes.size();
      add(s.errors, staged[i].errors);
    }
    return s;
  }

  std::string model_dir_, out_dir_;
  const QuantizeOptions& options_;
  ModelConfig config_;
  Checkpoint checkpoint_;
  std::vector<PlannedWeight> plan_;
  int threads_;
  std::unique_ptr<Calibrator> calibrator_;
};

}  // namespace detail

LA_INLINE QuantizeSummary quantize(const std::string& model_dir, const std::string& out_dir,
                                   const QuantizeOptions& options) {
  return detail::Quantizer(model_dir, out_dir, options).run();
}

}  // namespace la
