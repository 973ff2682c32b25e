#include "quantize.hpp"

#include <algorithm>
#include <filesystem>
#include <list>
#include <optional>
#include <set>

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

namespace la::inline LA_ABI {
namespace detail {

/// Hessian held at a time; the samples are run again for those that do not fit.
inline constexpr std::size_t kHessianBytes = std::size_t{2} << 30;

/// A finished weight and its bias, as a weight is made of them.
class QuantizedPart {
 public:
  QuantizedPart(StagedWeight staged, std::span<const float> bias)
      : staged_(std::move(staged)), panels_(staged_.panels()) {
    bias_.name = panels_.panels->name;
    bias_.file = panels_.panels->file;
    bias_.shape = {i64(bias.size())};
    bias_.bytes = std::as_bytes(bias);
  }
  QuantizedPart(const QuantizedPart&) = delete;

  WeightPart part() const {
    WeightPart p;
    p.panels = &panels_;
    if (!bias_.bytes.empty()) p.bias = &bias_;
    return p;
  }

 private:
  StagedWeight staged_;
  StoredPanels panels_;
  StoredTensor bias_;
};

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
        team_(options.threads) {
    check();
  }

  QuantizeSummary run() {
    const Staging staging(out_dir_, settings());
    const auto all = passes();
    std::set<std::size_t> done;
    for (std::size_t p = 0; p < all.size(); ++p) {
      quantize_some(all[p], concat("calibration, run ", p + 1, " of ", all.size()), done, staging);
      done.insert(all[p].begin(), all[p].end());
      finished_ = done.size();
    }
    std::vector<StagedWeight> staged;
    for (std::size_t i = 0; i < plan_.size(); ++i) staged.push_back(find(staging, i).value());
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
    return concat("2 ", std::filesystem::absolute(model_dir_).lexically_normal().string(), " ",
                  int(options_.format), " ", int(options_.layout), " ", int(options_.method), " ", parts, " ",
                  calibrated() ? options_.samples_name : "");
  }

  /// The weights in the order of the forward pass, cut into runs over the samples. A run sees the outputs of all weights
  /// that earlier runs quantised, and its Hessians fit in kHessianBytes. No weight's inputs depend on a later one.
  std::vector<std::vector<std::size_t>> passes() const {
    std::vector<std::vector<std::size_t>> all;
    for (ModelPart part : {ModelPart::vision, ModelPart::projector, ModelPart::decoder, ModelPart::head}) {
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < plan_.size(); ++i) {
        if (plan_[i].part != part) continue;
        const std::size_t own = measured(i) ? Hessian::bytes(plan_[i].inputs) : 0;
        if (bytes == 0 || bytes + own > kHessianBytes) {
          all.emplace_back();
          bytes = 0;
        }
        bytes += std::max<std::size_t>(own, 1);
        all.back().push_back(i);
      }
    }
    return all;
  }

  bool measured(std::size_t i) const { return plan_[i].int4() && calibrated(); }

  /// What a run has left to do; `done` are the weights of the runs before it.
  void quantize_some(const std::vector<std::size_t>& pass, const std::string& step,
                     const std::set<std::size_t>& done, const Staging& staging) {
    std::set<std::size_t> todo;
    std::map<std::size_t, i64> inputs_of;
    for (std::size_t i : pass) {
      if (find(staging, i)) continue;
      todo.insert(i);
      if (measured(i)) inputs_of[i] = plan_[i].inputs;
    }
    if (todo.empty()) return;
    const Calibrator::HessianOf hessian =
        inputs_of.empty() ? Calibrator::HessianOf{} : calibrate(inputs_of, step, done, staging);
    std::size_t at = 0;
    for_each_weight(checkpoint_, config_, [&](const StoredWeight& w) {
      const std::size_t i = at++;
      if (!todo.contains(i)) return;
      if (options_.progress) options_.progress(w.name, double(finished_) / double(plan_.size()));
      const auto found = hessian.find(i);
      quantize_one(w, plan_[i], found == hessian.end() ? nullptr : &found->second, staging);
      ++finished_;
    });
  }

  std::optional<StagedWeight> find(const Staging& staging, std::size_t i) const {
    const PlannedWeight& w = plan_[i];
    return staging.find(w.name, w.format, w.outputs, w.inputs);
  }

  Calibrator::HessianOf calibrate(const std::map<std::size_t, i64>& inputs_of, const std::string& step,
                                  const std::set<std::size_t>& done, const Staging& staging) const {
    std::list<QuantizedPart> parts;
    Calibrator calibrator(model_dir_, options_, [&](std::size_t i) -> std::optional<WeightPart> {
      if (!done.contains(i)) return std::nullopt;
      return parts.emplace_back(find(staging, i).value(), plan_[i].bias).part();
    });
    return calibrator.collect(inputs_of, step);
  }

  void quantize_one(const StoredWeight& w, const PlannedWeight& plan, const Hessian* hessian,
                    const Staging& staging) const {
    QuantizeErrors errors;
    const auto packed =
        plan.int4()
            ? quantize_int4(w.parts, plan.format, hessian, &team_, errors)
            : PackedWeight::pack(
                  w.parts, plan.format == PanelFormat::q8 ? WeightFormat::q8 : WeightFormat::auto_, &team_);
    staging.put(w.name, *packed, errors);
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
  mutable Team team_;
  std::size_t finished_ = 0;
};

}  // namespace detail

LA_INLINE QuantizeSummary quantize(const std::string& model_dir, const std::string& out_dir,
                                   const QuantizeOptions& options) {
  return detail::Quantizer(model_dir, out_dir, options).run();
}

}  // namespace la::inline LA_ABI
