// What a card has to do for the 3B, and how long it takes at least: bytes, operations and launches of each stage, counted
// from the very launches that la makes, on a card of paper. With --device, how long a real one takes.
//
//   cuda                        the floors, on any machine
//   cuda --weights bf16 --kernels   kernel by kernel
//   cuda --device cuda          and measured

#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/image/patches.hpp"
#include "la/io/json_write.hpp"
#include "la/model/language.hpp"
#include "la/model/vision.hpp"
#include "la/ops/cuda/device_kv_cache.hpp"
#include "la/ops/cuda/device_weight.hpp"
#include "la/ops/cuda/launch_graphs.hpp"
#include "la/ops/ops_cuda.hpp"
#include "la/session/device.hpp"
#if defined(LA_WITH_CUDA)
#include "la/ops/cuda/card.hpp"
#endif

namespace la::bench {
namespace {

namespace device = kernels::cuda;

/// What a card can do. Defaults: an H100 80GB HBM3, measured; a launch is one of a graph of dependent launches.
struct Limits {
  double read_gbs = 3100, bf16_tflops = 637, launch_us = 0.61;
};

struct Work {
  i64 launches = 0;
  i64 graphs = 0;      ///< of launches that nothing comes between
  double weights = 0;  ///< bytes; more than caches hold from one use to the next
  double bytes = 0;    ///< of all else that kernels read and write, which a cache may hold
  double operations = 0;
  double seconds = 0;  ///< the larger of weights and operations at the card's limits, kernel by kernel

  void add(const Work& w) {
    launches += w.launches;
    graphs += w.graphs;
    weights += w.weights;
    bytes += w.bytes;
    operations += w.operations;
    seconds += w.seconds;
  }
};

/// A card without memory: it keeps what kernels are told, and counts what they would read, write and compute. Launches wait for
/// each other as on a card that is opened.
class PaperCard final : public cuda::Driver {
 public:
  explicit PaperCard(const Limits& limits) : limits_(limits) {}
  std::string_view name() const noexcept override { return "of paper"; }
  std::size_t free_bytes() override { return std::size_t{1} << 40; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    next_ += (bytes + 511) / 256 * 256;
    return {reinterpret_cast<std::byte*>(next_ - (bytes + 511) / 256 * 256), [](std::byte*) {}};
  }
  void upload(const void* host, void* to, std::size_t bytes) override {
    count_.sent = count_.made;
    upload_ahead(host, to, bytes);
  }
  void upload_ahead(const void* host, void* to, std::size_t bytes) override {
    if (bytes > std::size_t{64} << 20) return;  // weights and pixels tell no kernel what to do
    const auto* from = static_cast<const std::byte*>(host);
    told_[reinterpret_cast<std::uintptr_t>(to)].assign(from, from + bytes);
  }
  void download(const void*, void*, std::size_t) override { count_.sent = count_.made; }
  void copy(const void*, void*, std::size_t) override { count_.sent = count_.made; }
  void clear(void*, std::size_t) override { count_.sent = count_.made; }
  cuda::LaunchCount launches() const noexcept override { return count_; }

  void launch(const cuda::Launch& l, const void* arguments, std::size_t) override {
    if (l.kernel == std::string_view("follow_blocks"))
      follow_blocks(int(l.grid_x), *static_cast<const device::FollowBlocks*>(arguments));
    Work w = work_of(l, arguments);
    w.launches = 1;
    w.graphs = count_.sent == count_.made;
    ++count_.made;
    if (count_.made - count_.sent == cuda::LaunchBatch::kMost) count_.sent = count_.made;
    w.seconds = std::max(w.weights / (limits_.read_gbs * 1e9), w.operations / (limits_.bf16_tflops * 1e12));
    all.add(w);
    kernels[l.kernel].add(w);
  }

  Work all;
  std::map<std::string, Work> kernels;

 private:
  template <class T>
  const T* told(const T* at) const {
    return reinterpret_cast<const T*>(told_.at(reinterpret_cast<std::uintptr_t>(at)).data());
  }

  /// Masks that kernels are told by this one: each block has given a box of six tokens.
  void follow_blocks(int blocks, const device::FollowBlocks& a) {
    std::vector<KeyMask> visible, wanted;
    for (const device::PendingBlock* block = told(a.blocks); blocks > 0; ++block, --blocks) {
      const std::int32_t end = block->length + kBlockSize;
      for (std::int32_t t = block->length; t < end; ++t) visible.push_back({t + 1, 0, 0});
      visible.insert(visible.end(), kBlockSize, {end - 1, end, end + kBlockSize});
      wanted.insert(wanted.end(), kBlockSize, visible.back());
    }
    for (const auto& [to, from] : {std::pair{a.visible, &visible}, std::pair{a.wanted_visible, &wanted}}) {
      const auto bytes = std::as_bytes(std::span(*from));
      told_[reinterpret_cast<std::uintptr_t>(to)].assign(bytes.begin(), bytes.end());
    }
  }

  Work work_of(const cuda::Launch& l, const void* arguments) const {
    const std::string_view name = l.kernel;
    const double rows = l.grid_x, size = sizeof(float);
    if (name.starts_with("linear_")) {
      const auto& a = *static_cast<const device::Linear*>(arguments);
      const double m = a.rows, n = a.weight.outputs, k = a.weight.inputs;
      return {0,
              0,
              double(device::weight_bytes(a.weight.format, i64(n), i64(k))),
              size * m * (k + n * (1 + a.add)),
              2 * m * n * k * a.weight.activation_parts,
              0};
    }
    if (name.starts_with("normed_")) return of_normed(*static_cast<const device::NormedLinear*>(arguments));
    if (name.starts_with("attention_merge")) {
      const auto& a = *static_cast<const device::AttentionRows*>(arguments);
      return {0, 0, 0, size * rows * a.heads * (a.parts * (a.size + 2) + a.size), 0, 0};
    }
    if (name.starts_with("attention_"))
      return attention(l, *static_cast<const device::AttentionRows*>(arguments),
                       name.ends_with("_exact")   ? 0
                       : name.ends_with("_usual") ? 1
                                                  : 2);
    if (name == "embedding") {
      const auto& a = *static_cast<const device::Embedding*>(arguments);
      return {0,
              0,
              rows * double(device::weight_bytes(a.weight.format, 8, a.weight.inputs)) / 8,
              size * rows * a.weight.inputs,
              0,
              0};
    }
    if (name == "gather")
      return {0, 0, 0, 2 * size * rows * static_cast<const device::Gather*>(arguments)->columns, 0, 0};
    if (name == "follow_blocks")
      return {0,
              0,
              0,
              rows * (size * (device::kFollowFloats + 3 * device::kFeedRows) +
                      double(sizeof(KeyMask)) * (device::kFeedRows + device::kBlockRows)),
              0,
              0};
    if (name == "layer_norm" || name == "rms_norm")
      return {0, 0, 0, 2 * size * rows * static_cast<const device::Norm*>(arguments)->columns, 0, 0};
    if (name == "summarize")
      return {0, 0, 0, 2 * size * rows * static_cast<const device::Summarize*>(arguments)->columns, 0, 0};
    if (name == "rope") {
      const auto& a = *static_cast<const device::RopeTurn*>(arguments);
      return {0, 0, 0, size * rows * a.size * (2 * a.heads + 1), 0, 0};
    }
    if (name == "elementwise") {
      const auto& a = *static_cast<const device::Elementwise*>(arguments);
      return {0, 0, 0, size * rows * a.columns * (a.up ? 3 : 2), 0, 0};
    }
    if (name == "bicubic")
      return {0, 0, 0, size * rows * static_cast<const device::Bicubic*>(arguments)->channels, 0, 0};
    if (name == "kv_write" || name == "kv_write_tensor") {
      const auto& a = *static_cast<const device::KvWrite*>(arguments);
      return {0, 0, 0, 2 * rows * a.heads * (size * a.size + key_bytes(a.planes, a.size)), 0, 0};
    }
    fail("kernel ", name, ": expected one whose work this program knows");
  }

  /// Rows, and of heads also keys, values and angles.
  static Work of_normed(const device::NormedLinear& a) {
    const device::WeightView& weight = a.product.weight;
    const double m = a.product.rows, n = weight.outputs, k = weight.inputs, size = sizeof(float);
    double written = n * size;
    if (a.ending == device::Ending::swiglu) written /= 2;
    if (a.ending == device::Ending::heads)
      written = size * (a.heads.queries + 1) * a.heads.size +
                2 * a.heads.keys * key_bytes(a.heads.planes, a.heads.size);
    return {0,
            0,
            double(device::weight_bytes(weight.format, weight.outputs, weight.inputs)),
            m * (size * k + written),
            2 * m * n * k * weight.activation_parts,
            0};
  }

  /// Bytes of a key of a head.
  static double key_bytes(int planes, i64 size) { return double(cuda::KvFormat{planes}.row_bytes(size)); }

  /// The keys and values that some row sees once, queries and results once. Of two planes three products are taken.
  Work attention(const cuda::Launch& l, const device::AttentionRows& a, int planes) const {
    const double products = planes == 2 ? 3 : 1;
    const device::AttentionTask* tasks = told(a.tasks);
    const KeyMask* visible = told(a.visible);
    std::map<std::pair<const void*, int>, i64> read;
    Work w;
    for (unsigned i = 0; i < l.grid_x; ++i) {
      const device::AttentionTask& task = tasks[i];
      for (int p = 0; p < task.count; ++p) {
        const KeyMask& mask = visible[task.begin + (task.first + p) / a.group];
        const i64 keys =
            mask.prefix + std::max(0, mask.window_end - std::max(mask.window_begin, mask.prefix));
        w.operations += 4.0 * products * double(keys) * a.size;
        i64& most = read[{task.pages, task.kv_head}];
        most = std::max(most, keys);
      }
      w.bytes += 2.0 * sizeof(float) * task.count * a.size;
      // Parts of the keys are written, and read by the block that puts them together.
      if (a.partial && planes > 0)
        w.bytes += 2.0 * sizeof(float) * task.count * l.grid_y * device::tensor_part_floats(a.size);
    }
    for (const auto& [sequence, keys] : read) w.bytes += 2.0 * double(keys) * key_bytes(planes, a.size);
    return w;
  }

  Limits limits_;
  cuda::LaunchCount count_{0, 0};
  std::uintptr_t next_ = 4096;
  std::map<std::uintptr_t, std::vector<std::byte>> told_;
};

/// The sizes of LocateAnything-3B.
ModelConfig sizes_of_the_3b() {
  ModelConfig c;
  c.text.hidden_size = 2048;
  c.text.intermediate_size = 11008;
  c.text.layers = 36;
  c.text.heads = 16;
  c.text.kv_heads = 2;
  c.text.head_dim = 128;
  c.text.vocab_size = 152681;
  c.text.max_positions = 32768;
  c.text.rms_eps = 1e-6f;
  c.text.rope_theta = 1e6;
  c.text.tie_word_embeddings = true;
  c.vision.hidden_size = 1152;
  c.vision.intermediate_size = 4304;
  c.vision.layers = 27;
  c.vision.heads = 16;
  c.vision.head_dim = 72;
  c.vision.patch_size = 14;
  c.vision.grid_h = c.vision.grid_w = 64;
  c.processor.patch_size = 14;
  c.processor.in_token_limit = 25600;
  return c;
}

/// A model of these sizes whose weights are zeros: as much to read, nothing to know.
class EmptyModel {
 public:
  EmptyModel(const ModelConfig& config, std::shared_ptr<cuda::Driver> driver, kernels::PanelFormat format)
      : config_(config),
        driver_(std::move(driver)),
        format_(format),
        ops(make_cuda_ops({driver_, ActivationFormat::auto_, std::make_shared<Team>(1)})),
        weights(make_weights()),
        vision(config_.vision, weights.vision, *ops),
        language(config_.text, 0, weights.language, *ops),
        workspace(*ops) {}

  /// A forward pass of `sequences` rows of text with so many keys: `fresh` tokens each, and the window of a block.
  void pass(i64 sequences, i64 fresh, bool block, i64 keys) {
    std::vector<std::unique_ptr<KvCache>> caches;
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(keys));
    std::vector<SequenceInput> inputs;
    i64 rows = 0;
    for (i64 i = 0; i < sequences; ++i) {
      caches.push_back(language.make_cache());
      caches.back()->extend(keys - fresh);
      inputs.push_back({caches.back().get(), ids, {}, block});
      rows += LanguageModel::logit_rows(inputs.back());
    }
    const Workspace::Scope scope(workspace);
    language.forward(inputs, workspace, workspace.matrix(rows, config_.text.vocab_size));
  }

  /// A pass behind the blocks of so many sequences that nobody has read.
  void pass_ahead(i64 sequences, i64 keys) {
    const i64 rows = kBlockSize * sequences;
    const std::vector<float> zeros(std::size_t(rows * summary_floats(6)));
    const Workspace::Scope scope(workspace);
    const Matrix summaries = workspace.matrix(rows, summary_floats(6));
    ops->upload(zeros.data(), summaries.data, zeros.size() * sizeof(float));
    std::vector<std::unique_ptr<KvCache>> caches;
    std::vector<NextInput> blocks;
    for (i64 i = 0; i < sequences; ++i) {
      caches.push_back(language.make_cache());
      caches.back()->extend(keys - kBlockSize);
      blocks.push_back({caches.back().get(), std::int32_t(kBlockSize * i)});
    }
    language.forward_next_blocks(blocks, summaries, SpecialTokens{}, workspace,
                                 workspace.matrix(rows, config_.text.vocab_size));
  }

  /// A picture's patches through the vision tower and the projector; how many rows the decoder gets.
  i64 encode(i64 width, i64 height) {
    const SizePlan plan = plan_size(width, height, config_.processor);
    Patches patches;
    patches.grid_h = plan.grid_h;
    patches.grid_w = plan.grid_w;
    const i64 count = plan.grid_h * plan.grid_w, p = config_.vision.patch_size;
    patches.values.resize(std::size_t(count * 3 * p * p));
    const Workspace::Scope scope(workspace);
    const Matrix features = workspace.matrix(count, config_.vision.hidden_size);
    vision.encode(std::move(patches), workspace, features);
    const i64 rows = count / (config_.vision.merge * config_.vision.merge);
    project(weights.projector, features, plan.grid_w, *ops, workspace,
            workspace.matrix(rows, config_.text.hidden_size));
    return rows;
  }

  /// Until everything launched has ended.
  void finish() {
    std::byte byte;
    driver_->download(weights.language.norm.memory.get(), &byte, 1);
  }

  std::size_t weight_bytes() const { return weights.bytes; }

 private:
  std::unique_ptr<Weight> zeros(i64 outputs, i64 inputs, Precision precision = Precision::usual) {
    auto weight = std::make_unique<cuda::DeviceWeight>(*driver_, format_, outputs, inputs, precision);
    bytes_ += weight->bytes();
    return weight;
  }
  DeviceVector vector(i64 n) {
    DeviceVector v;
    v.memory = driver_->allocate(std::size_t(n) * sizeof(float));
    driver_->clear(v.memory.get(), std::size_t(n) * sizeof(float));
    v.view = ConstVector(reinterpret_cast<const float*>(v.memory.get()), {n});
    return v;
  }

  ModelWeights make_weights() {
    const VisionConfig& v = config_.vision;
    const TextConfig& t = config_.text;
    const i64 c = v.hidden_size, f = v.intermediate_size, h = t.hidden_size, merged = v.merge * v.merge * c;
    ModelWeights w;
    w.vision.patch_embed = zeros(c, 3 * v.patch_size * v.patch_size);
    w.vision.position_grid = vector(v.grid_h * v.grid_w * c);
    for (i64 i = 0; i < v.layers; ++i) {
      VisionBlock& b = w.vision.blocks.emplace_back();
      b.norm0 = {vector(c), vector(c)};
      b.q = zeros(c, c);
      b.kv = zeros(2 * c, c);
      b.wo = zeros(c, c);
      b.norm1 = {vector(c), vector(c)};
      b.fc0 = zeros(f, c);
      b.fc1 = zeros(c, f);
    }
    w.vision.final_norm = {vector(c), vector(c)};
    w.projector.norm = {vector(merged), vector(merged)};
    w.projector.linear1 = zeros(h, merged);
    w.projector.linear2 = zeros(h, h);
    w.language.embedding = zeros(t.vocab_size, h, Precision::high);
    for (i64 i = 0; i < t.layers; ++i) {
      DecoderLayer& l = w.language.layers.emplace_back();
      l.input_norm = vector(h);
      l.qkv = zeros((t.heads + 2 * t.kv_heads) * t.head_dim, h, Precision::high);
      l.o = zeros(h, t.heads * t.head_dim, Precision::high);
      l.post_attention_norm = vector(h);
      l.gate_up = zeros(2 * t.intermediate_size, h);
      l.down = zeros(h, t.intermediate_size);
    }
    w.language.norm = vector(h);
    if (!t.tie_word_embeddings) w.language.untied_head = zeros(t.vocab_size, h, Precision::high);
    w.bytes = bytes_;
    return w;
  }

  const ModelConfig config_;
  const std::shared_ptr<cuda::Driver> driver_;
  const kernels::PanelFormat format_;
  std::size_t bytes_ = 0;

 public:
  const std::unique_ptr<Ops> ops;
  const ModelWeights weights;
  VisionModel vision;
  LanguageModel language;
  Workspace workspace;
};

struct Options {
  std::string weights = "q4_g32", device = "none", model_dir, filter;
  Limits limits;
  i64 keys = 512;
  int repetitions = 20;
  bool kernels = false, json = false, help = false;
};

struct Stage {
  std::string name;
  std::function<void(EmptyModel&)> run;
};

std::vector<Stage> stages(const Options& o) {
  std::vector<Stage> all;
  const auto pass = [&](const char* name, i64 sequences, i64 fresh, bool block) {
    all.push_back({name, [=, keys = o.keys](EmptyModel& m) { m.pass(sequences, fresh, block, keys); }});
  };
  pass("pass of 1 row (a token)", 1, 1, false);
  pass("pass of 6 rows", 1, 0, true);
  pass("pass of 12 rows (a block)", 1, 6, true);
  const auto ahead = [&](const char* name, i64 sequences) {
    all.push_back({name, [=, keys = o.keys](EmptyModel& m) { m.pass_ahead(sequences, keys); }});
  };
  ahead("block asked for ahead", 1);
  pass("pass of 48 rows", 4, 6, true);
  pass("pass of 96 rows", 8, 6, true);
  ahead("8 blocks asked for ahead", 8);
  for (const auto& [w, h] : {std::pair<i64, i64>{448, 448}, {640, 360}, {1036, 1036}, {2240, 2240}}) {
    const std::string size = std::to_string(w) + "x" + std::to_string(h);
    all.push_back({"vision of " + size, [w = w, h = h](EmptyModel& m) { m.encode(w, h); }});
    all.push_back(
        {"prompt of " + size,
         [w = w, h = h,
          config = o.model_dir.empty() ? sizes_of_the_3b() : ModelConfig::load(o.model_dir)](EmptyModel& m) {
           const SizePlan plan = plan_size(w, h, config.processor);
           const i64 tokens = plan.grid_h * plan.grid_w / (config.vision.merge * config.vision.merge) + 40;
           m.pass(1, tokens, true, tokens);
         }});
  }
  return all;
}

kernels::PanelFormat parse_format(const std::string& name) {
  for (const auto& [known, format] :
       {std::pair{"f32", kernels::PanelFormat::f32}, std::pair{"bf16", kernels::PanelFormat::bf16},
        std::pair{"q8", kernels::PanelFormat::q8}, std::pair{"q4_g128", kernels::PanelFormat::q4_g128},
        std::pair{"q4_g32", kernels::PanelFormat::q4_g32}})
    if (name == known) return format;
  fail_usage("--weights: expected f32, bf16, q8, q4_g128 or q4_g32, found '", name, "'");
}

/// Median of some runs.
double measure(EmptyModel& model, const Stage& stage, int repetitions) {
  std::vector<double> seconds;
  stage.run(model);
  model.finish();
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    stage.run(model);
    model.finish();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

std::shared_ptr<cuda::Driver> open_device(const std::string& name) {
  if (name == "none") return nullptr;
  const Device device = parse_device("--device", name);
  if (device.kind != Device::Kind::cuda)
    fail_usage("--device: expected none, cuda or cuda:N, found '", name, "'");
#if defined(LA_WITH_CUDA)
  return cuda::open_card(device.card);
#else
  fail("--device ", name, ": expected a build with CUDA kernels, which needs clang; this one has none");
#endif
}

void print(const Options& o, const std::string& name, const Work& w, double measured) {
  const double launches = double(w.launches) * o.limits.launch_us * 1e-6,
               floor = std::max(w.seconds, launches);
  if (o.json) {
    std::printf(
        "{\"stage\":%s,\"weights\":%s,\"launches\":%lld,\"graphs\":%lld,\"weight_bytes\":%.0f,\"other_"
        "bytes\":%.0f,"
        "\"operations\":%.0f,\"work_us\":%.2f,"
        "\"launch_us\":%.2f,\"floor_us\":%.2f",
        json_quote(name).c_str(), json_quote(o.weights).c_str(), static_cast<long long>(w.launches),
        static_cast<long long>(w.graphs), w.weights, w.bytes, w.operations, w.seconds * 1e6, launches * 1e6,
        floor * 1e6);
    if (measured > 0) std::printf(",\"measured_us\":%.2f,\"share\":%.4f", measured * 1e6, floor / measured);
    std::printf("}\n");
  } else {
    std::printf("%-26s %8lld %6lld %10.1f %10.1f %8.3f %9.1f %9.1f %9.1f", name.c_str(),
                static_cast<long long>(w.launches), static_cast<long long>(w.graphs), w.weights / 1e6,
                w.bytes / 1e6, w.operations / 1e12, w.seconds * 1e6, launches * 1e6, floor * 1e6);
    if (measured > 0) std::printf(" %10.1f %6.0f %%", measured * 1e6, 100 * floor / measured);
    std::printf("\n");
  }
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Options o;
  cli::Flags flags;
  flags.text("--weights", "NAME", "f32, bf16, q8, q4_g128 or q4_g32 [q4_g32]", o.weights);
  flags.text("--model-dir", "DIR", "take the sizes from this checkpoint [the 3B's]", o.model_dir);
  flags.text("--device", "NAME", "none, cuda or cuda:N: measure there, too [none]", o.device);
  flags.number<i64>("--keys", "that a row of a pass sees [512]", o.keys, 8, 1 << 20);
  flags.number<int>("--repetitions", "of each measurement [20]", o.repetitions, 1, 100000);
  flags.number<double>("--read-gbs", "GB/s that the card reads [3100: an H100]", o.limits.read_gbs, 1, 1e6);
  flags.number<double>("--bf16-tflops", "TFLOP/s of its tensor cores [637: an H100]", o.limits.bf16_tflops,
                       0.01, 1e6);
  flags.number<double>("--launch-us", "a launch [0.61: an H100, dependent launches in a graph]",
                       o.limits.launch_us, 0, 1e3);
  flags.text("--filter", "TEXT", "only stages whose name contains it", o.filter);
  flags.on("--kernels", "kernel by kernel, too", o.kernels);
  flags.on("--json", "one object a line", o.json);
  flags.on("--help", "print this", o.help);
  flags.parse(argc, argv);
  if (o.help) {
    std::cout << "cuda: what a card has to do, and how long it takes at least\n\n" << flags.help();
    return 0;
  }
  const kernels::PanelFormat format = parse_format(o.weights);
  const ModelConfig config = o.model_dir.empty() ? sizes_of_the_3b() : ModelConfig::load(o.model_dir);
  const std::shared_ptr<cuda::Driver> card = open_device(o.device);
  std::unique_ptr<EmptyModel> real;
  if (card) real = std::make_unique<EmptyModel>(config, card, format);
  const auto paper = std::make_shared<PaperCard>(o.limits);
  EmptyModel model(config, paper, format);
  if (!o.json) {
    std::printf("%s weights, %.2f GB; %.0f GB/s, %.0f TFLOP/s, %.2f us a launch%s%s\n", o.weights.c_str(),
                double(model.weight_bytes()) / 1e9, o.limits.read_gbs, o.limits.bf16_tflops,
                o.limits.launch_us, card ? "; measured on " : "",
                card ? std::string(card->name()).c_str() : "");
    std::printf("%-26s %8s %6s %10s %10s %8s %9s %9s %9s%s\n", "", "launches", "graphs", "MB weights",
                "MB others", "TFLOP", "work us", "launch us", "floor us", card ? "   measured  floor" : "");
  }
  for (const Stage& stage : stages(o)) {
    if (stage.name.find(o.filter) == std::string::npos) continue;
    stage.run(model);  // the first one takes memory, between launches
    paper->all = {};
    paper->kernels.clear();
    stage.run(model);
    print(o, stage.name, paper->all, real ? measure(*real, stage, o.repetitions) : 0);
    if (o.kernels)
      for (const auto& [name, work] : paper->kernels) print(o, "  " + name, work, 0);
  }
  return 0;
}

}  // namespace
}  // namespace la::bench

int main(int argc, char** argv) {
  return la::cli::run_main("cuda", [&] { return la::bench::run(argc, argv); });
}
