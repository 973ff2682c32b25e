// Each kernel at the shapes of the 3B, beside the machine's own limits measured in the same minutes.
//
//   kernels                         every kernel, this CPU's best instruction set
//   kernels --isa avx2 --filter q4  some of them
//   kernels --table                 the README's table alone: share of the limit by instruction set, format and rows
//   kernels --against OLD           this build and another in turn, kernel by kernel

#include <simdjson.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/core/parallel.hpp"
#include "la/io/json_write.hpp"
#include "la/model/config.hpp"
#include "la/ops/select_isa.hpp"
#include "machine.hpp"
#include "rivals.hpp"

namespace la::bench {
namespace {

struct Options {
  std::string isa, filter, against, model_dir, rows = "1,6,12,16,48,96,350";
  int threads = 0, repetitions = 7, rounds = 5;
  bool json = false, table = false, help = false;
};

/// One line of the table.
struct Row {
  std::string kernel, format;
  i64 m = 0, n = 0, k = 0;
  double operations = 0, bytes = 0;  // of one call
  const char* limit = "fma";
};

struct FormatInfo {
  const char* name;
  i64 group;          // inputs a block, 1 for float formats
  std::size_t block;  // bytes of 16 columns x group inputs
  kernels::PanelFormat format;
  bool integer;  // products with quantised activations too
};

const FormatInfo kFormats[] = {
    {"f32", 1, 64, kernels::PanelFormat::f32, false},
    {"bf16", 1, 32, kernels::PanelFormat::bf16, false},
    {"q8", 128, sizeof(kernels::Q8Block), kernels::PanelFormat::q8, true},
    {"q4_g128", 128, sizeof(kernels::Q4Block<128>), kernels::PanelFormat::q4_g128, true},
    {"q4_g32", 32, sizeof(kernels::Q4Block<32>), kernels::PanelFormat::q4_g32, true},
};

std::size_t panel_bytes(const FormatInfo& f, i64 k) {
  return std::size_t((k + f.group - 1) / f.group) * f.block;
}
std::size_t weight_bytes(const FormatInfo& f, i64 n, i64 k) {
  return std::size_t((n + 15) / 16) * panel_bytes(f, k);
}

/// Random panels whose numbers are all finite and of sensible size.
void fill_panels(const FormatInfo& f, std::byte* panels, std::size_t bytes) {
  std::uint64_t state = 1;
  const auto next = [&state] { return state = state * 6364136223846793005u + 1442695040888963407u; };
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    const std::uint64_t x = next();
    std::memcpy(panels + i, &x, 8);
  }
  const std::string_view name = f.name;
  if (name == "f32")
    for (std::size_t i = 0; i < bytes / 4; ++i)
      reinterpret_cast<float*>(panels)[i] = float(next() >> 40) * 0x1p-24f - 0.5f;
  if (name == "bf16")  // exponents round 1/16, random sign and mantissa
    for (std::size_t i = 0; i < bytes / 2; ++i) {
      auto& bits = reinterpret_cast<std::uint16_t*>(panels)[i];
      bits = std::uint16_t((bits & 0x807f) | 0x3d80);
    }
  if (name == "q8")
    for (std::size_t i = 0; i < bytes; i += f.block)
      for (float& s : reinterpret_cast<kernels::Q8Block*>(panels + i)->scale) s = 0.001f;
  if (name.starts_with("q4"))  // both group sizes start alike: scales, then zeros
    for (std::size_t i = 0; i < bytes; i += f.block) {
      auto* block = reinterpret_cast<kernels::Q4Block<32>*>(panels + i);
      for (auto& s : block->scale) s = 0x1c00;  // 2^-8
      for (auto& z : block->zero) z = 8;
    }
}

class Bench {
 public:
  explicit Bench(const Options& o)
      : options_(o),
        kernels_(select_isa(o.isa)),
        threads_(o.threads > 0 ? o.threads : omp_get_max_threads()),
        machine_(kernels_.isa, threads_) {
    for (int t = 0; t < threads_; ++t)
      scratch_.emplace_back(std::size_t(std::max(kernels::kGemmScratch, kernels::attention_scratch(256))) *
                            sizeof(float));
  }

  void run() {
    print_machine();
    if (!options_.json)
      std::printf("\n%-11s %-10s %6s %6s %6s %12s %10s %8s %-5s %6s\n", "kernel", "format", "m", "n", "k",
                  "seconds", "GOP/s", "GB/s", "limit", "share");
    const std::vector<std::array<i64, 2>> shapes = linear_shapes();
    for (const FormatInfo& f : kFormats) {
      for (const i64 m : {350, 1196, 12}) {
        for (const auto& [k, n] : shapes) linear(f, m, n, k, f.integer);
        if (f.integer) linear(f, m, shapes.back()[1], shapes.back()[0], false);
      }
      const auto [k, n] = head_shape();
      linear(f, 12, n, k, f.integer);
      streamed(f, n, k);
      streamed(f, shapes.back()[1], shapes.back()[0]);
    }
    attention("vision", 1196, 1196, 16, 16, 72, false);
    attention("vision", 5476, 5476, 16, 16, 72, false);
    attention("decoder", 350, 350, 16, 2, 128, true);
    attention("block step", 12, 1500, 16, 2, 128, true);
    elementwise();
    rivals(shapes);
    if (!options_.json && options_.filter.empty()) {
      print_table_head();
      table();
    }
  }

  void print_machine() {
    std::vector<double> fma, int8, read;
    for (int i = 0; i < 5; ++i) {
      fma.push_back(machine_.fma(0.05) / 1e9);
      int8.push_back(machine_.int8(0.05) / 1e9);
      read.push_back(machine_.read() / 1e9);
    }
    if (options_.json)
      std::printf(
          "{\"machine\":{\"cpu\":%s,\"threads\":%d,\"isa\":%s,\"int8_step\":%s,\"fma_gflops\":%.1f,\"int8_"
          "gops\":%.1f,\"read_gbs\":%.1f}}\n",
          json_quote(cpu_name()).c_str(), threads_, json_quote(kernels_.isa).c_str(),
          json_quote(machine_.int8_step()).c_str(), median(fma), median(int8), median(read));
    else
      std::printf(
          "%s, %d threads, %s\nlimits: %.1f GFLOP/s f32 multiply-add, %.1f GOP/s int8 (%s), %.1f GB/s "
          "read\n",
          cpu_name().c_str(), threads_, kernels_.isa, median(fma), median(int8), machine_.int8_step(),
          median(read));
    std::fflush(stdout);
  }

  /// Shares of the limit on one matrix, by rows: of read bandwidth for one row, of arithmetic for more.
  void table() {
    const auto [k, n] = linear_shapes().back();
    for (const FormatInfo& f : kFormats) {
      if (f.integer && machine_.int8(0.001) <= 0) continue;
      if (!std::string_view(f.name).starts_with(options_.filter)) continue;
      std::printf("| %s | %s |", kernels_.isa, f.name);
      for (const i64 m : table_rows()) {
        const Timing t = m == 1 ? time_streamed(f, n, k) : time_linear(f, m, n, k, f.integer);
        std::printf(" %.0f %% (%.0f) |", 100 * t.share, t.gops);
        std::fflush(stdout);
      }
      std::printf("\n");
    }
  }

  void print_table_head() const {
    std::printf("\nshare of the limit (and GOP/s): of read bandwidth for 1 row, of arithmetic for more\n");
    std::printf("| set | format |");
    for (const i64 m : table_rows()) std::printf(" %lld |", static_cast<long long>(m));
    std::printf("\n|---|---|");
    for (std::size_t i = 0; i < table_rows().size(); ++i) std::printf("---|");
    std::printf("\n");
  }

 private:
  /// Columns and rows of the products: (K, N), the largest last.
  std::vector<std::array<i64, 2>> linear_shapes() const {
    i64 c = 1152, f = 4304, h = 2048, ffn = 11008, kv = 256;
    if (!options_.model_dir.empty()) {
      const ModelConfig config = ModelConfig::load(options_.model_dir);
      c = config.vision.hidden_size;
      f = config.vision.intermediate_size;
      h = config.text.hidden_size;
      ffn = config.text.intermediate_size;
      kv = config.text.kv_heads * config.text.head_dim;
    }
    return {{c, c}, {c, 2 * c}, {c, f}, {f, c}, {4 * c, h}, {h, h}, {h, h + 2 * kv}, {ffn, h}, {h, 2 * ffn}};
  }

  /// Columns and rows of the output head.
  std::array<i64, 2> head_shape() const {
    if (options_.model_dir.empty()) return {2048, 152681};
    const TextConfig config = ModelConfig::load(options_.model_dir).text;
    return {config.hidden_size, config.vocab_size};
  }

  static Row linear_row(const FormatInfo& f, i64 m, i64 n, i64 k, bool integer) {
    return {integer ? "qgemm" : "gemm",
            f.name,
            m,
            n,
            k,
            2.0 * double(m) * double(n) * double(k),
            double(weight_bytes(f, n, k)),
            integer ? "int8" : "fma"};
  }

  std::vector<i64> table_rows() const {
    std::vector<i64> rows;
    std::istringstream in(options_.rows);
    for (std::string one; std::getline(in, one, ',');) rows.push_back(std::stoll(one));
    return rows;
  }

  void linear(const FormatInfo& f, i64 m, i64 n, i64 k, bool integer) {
    const Row row = linear_row(f, m, n, k, integer);
    if (wanted(row)) print(row, time_linear(f, m, n, k, integer));
  }

  struct Timing {
    double seconds, gops, share;
  };

  Timing time_linear(const FormatInfo& f, i64 m, i64 n, i64 k, bool integer) {
    Storage panels(weight_bytes(f, n, k));
    fill_panels(f, panels.data(), panels.size());
    Inputs in(kernels_, f, m, n, k, integer);
    return time(linear_row(f, m, n, k, integer), [&] { multiply(f, in, panels.data(), m, n, k, integer); });
  }

  /// One row through more than a gigabyte of different matrices: decoding is as fast as weights can be read.
  void streamed(const FormatInfo& f, i64 n, i64 k) {
    const Row row = streamed_row(f, n, k);
    if (wanted(row)) print(row, time_streamed(f, n, k));
  }

  static i64 copies_of(const FormatInfo& f, i64 n, i64 k) {
    return i64((std::size_t{1} << 30) / weight_bytes(f, n, k)) + 1;
  }

  static Row streamed_row(const FormatInfo& f, i64 n, i64 k) {
    const std::size_t one = weight_bytes(f, n, k);
    const i64 copies = copies_of(f, n, k);
    return {f.integer ? "qgemm" : "gemm", f.name, 1, n, k, 2.0 * double(n) * double(k) * double(copies),
            double(one) * double(copies), "read"};
  }

  Timing time_streamed(const FormatInfo& f, i64 n, i64 k) {
    const std::size_t one = weight_bytes(f, n, k);
    const i64 copies = copies_of(f, n, k);
    Storage panels(one * std::size_t(copies));
    fill_panels(f, panels.data(), panels.size());
    Inputs in(kernels_, f, 1, n, k, f.integer);
    return time(streamed_row(f, n, k), [&] {
      for (i64 i = 0; i < copies; ++i)
        multiply(f, in, panels.data() + std::size_t(i) * one, 1, n, k, f.integer);
    });
  }

  /// What one product reads and writes besides its panels.
  struct Inputs {
    Inputs(const kernels::Table& kernels, const FormatInfo& f, i64 m, i64 n, i64 k, bool integer)
        : a(std::size_t(m * k)), c(std::size_t(m * n)), groups((k + f.group - 1) / f.group) {
      std::mt19937 engine(1);
      std::normal_distribution<float> normal;
      for (float& x : a) x = normal(engine);
      if (!integer) return;
      stride = kernels::quantized_stride(k);
      codes = Storage(std::size_t(m * stride));
      scales = Storage(std::size_t(m * groups) * 4);
      sums = Storage(std::size_t(m * groups) * 4);
      for (i64 i = 0; i < m; ++i)
        kernels.quantize({a.data() + i * k, k, f.group, codes.as<std::int8_t>() + i * stride,
                          scales.as<float>() + i * groups, sums.as<float>() + i * groups});
    }
    std::vector<float> a, c;
    i64 groups, stride = 0;
    Storage codes, scales, sums;
  };

  void multiply(const FormatInfo& f, Inputs& in, const std::byte* panels, i64 m, i64 n, i64 k, bool integer) {
    parallel_for((n + 15) / 16, team_.get(), [&](i64 begin, i64 end, int worker) {
      const i64 n0 = begin * 16, columns = std::min(end * 16, n) - n0;
      const std::byte* first = panels + std::size_t(begin) * panel_bytes(f, k);
      float* scratch = scratch_[std::size_t(worker)].as<float>();
      if (integer) {
        kernels::QGemm g;
        g.a = {in.codes.as<std::int8_t>(), in.scales.as<float>(), in.sums.as<float>(), in.stride, in.groups};
        g.panels = first;
        g.c = in.c.data() + n0;
        g.ldc = n;
        g.m = m;
        g.n = columns;
        g.scratch = scratch;
        kernels_.qgemm[f.format](g);
      } else {
        kernels::Gemm g;
        g.a = in.a.data();
        g.lda = k;
        g.panels = first;
        g.c = in.c.data() + n0;
        g.ldc = n;
        g.m = m;
        g.n = columns;
        g.k = k;
        g.scratch = scratch;
        kernels_.gemm[f.format](g);
      }
    });
  }

  /// Heads of one layer over pages, in tiles of 48 (row, head) pairs that share a key/value head.
  void attention(const char* what, i64 rows, i64 keys, i64 heads, i64 kv_heads, i64 d, bool causal) {
    double pairs = 0;
    for (i64 r = 0; r < rows; ++r) pairs += double(causal ? keys - rows + r + 1 : keys);
    Row row{"attention", what, rows, keys, d, 4.0 * pairs * double(heads * d), 0, "fma"};
    if (!wanted(row)) return;
    const i64 padded = (d + 15) / 16 * 16, pages = (keys + 63) / 64, page = 64 * (d + padded);
    std::vector<float> kv(std::size_t(pages * page * kv_heads)), q(std::size_t(rows * heads * d)),
        out(q.size());
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    for (float& x : kv) x = normal(engine);
    for (float& x : q) x = normal(engine);
    std::vector<const float*> table;
    for (i64 p = 0; p < pages; ++p) table.push_back(kv.data() + p * page * kv_heads);
    const i64 group = heads / kv_heads, tiles = (rows * group + 47) / 48;
    measure(row, [&] {
      parallel_for(threads_, team_.get(), [&](i64 begin, i64 end, int worker) {
        for (i64 w = begin; w < end; ++w)
          for (i64 task = w; task < tiles * kv_heads; task += threads_) {
            const i64 g = task / tiles, first = task % tiles * 48,
                      count = std::min<i64>(48, rows * group - first);
            const float* from[48];
            float* to[48];
            kernels::KeyMask sees[48];
            for (i64 i = 0; i < count; ++i) {
              const i64 r = (first + i) / group, h = g * group + (first + i) % group;
              from[i] = q.data() + (r * heads + h) * d;
              to[i] = out.data() + (r * heads + h) * d;
              sees[i] = {std::int32_t(causal ? keys - rows + r + 1 : keys), 0, 0};
            }
            kernels::Attention a;
            a.q = from;
            a.out = to;
            a.visible = sees;
            a.rows = count;
            a.d = d;
            a.pages = table.data();
            a.k_offset = g * page;
            a.v_offset = g * page + 64 * d;
            a.scale = 0.1f;
            a.scratch = scratch_[std::size_t(worker)].as<float>();
            kernels_.attention(a);
          }
      });
    });
  }

  /// Row kernels over more memory than the caches hold: they should cost no more than reading and writing it.
  void elementwise() {
    const i64 rows = 8192;
    const auto run = [&](const char* name, i64 n, i64 inputs,
                         const std::function<void(float*, float*)>& one) {
      Row row{name, "f32", rows, n, 0, 0, double(rows * n * (inputs + 1)) * 4, "read"};
      if (!wanted(row)) return;
      Storage x(std::size_t(rows * n * inputs) * 4), y(std::size_t(rows * n) * 4);
      std::fill_n(x.as<float>(), rows * n * inputs, 0.7f);
      measure(row, [&] {
        parallel_for(rows, team_.get(), [&](i64 begin, i64 end, int) {
          for (i64 i = begin; i < end; ++i) one(x.as<float>() + i * n * inputs, y.as<float>() + i * n);
        });
      });
    };
    const std::vector<float> w(16384, 1.0f);
    run("layer_norm", 1152, 1,
        [&](float* x, float* y) { kernels_.layer_norm(x, w.data(), w.data(), 1e-5f, 1152, y); });
    run("rms_norm", 2048, 1, [&](float* x, float* y) { kernels_.rms_norm(x, w.data(), 1e-6f, 2048, y); });
    run("gelu_tanh", 4304, 1, [&](float* x, float* y) { kernels_.gelu_tanh(x, 4304, y); });
    run("swiglu", 11008, 2, [&](float* x, float* y) { kernels_.swiglu(x, x + 11008, 11008, y); });
  }

  void rivals(const std::vector<std::array<i64, 2>>& shapes) {
    for (const i64 m : {350, 1196})
      for (const auto& [k, n] : {shapes[2], shapes.back()})
        for (const auto& [name, gemm] :
             {std::pair{"Eigen", &eigen_gemm}, std::pair{"OpenBLAS", &openblas_gemm}}) {
          Row row{name, "f32", m, n, k, 2.0 * double(m) * double(n) * double(k), double(n * k) * 4, "fma"};
          std::vector<float> a(std::size_t(m * k), 0.5f), w(std::size_t(n * k), 0.25f), c(std::size_t(m * n));
          if (!wanted(row) || !gemm(1, 1, 1, a.data(), w.data(), c.data(), 1)) continue;
          const auto run = gemm;
          measure(row, [&] { run(m, n, k, a.data(), w.data(), c.data(), threads_); });
        }
  }

  bool wanted(const Row& row) const {
    const std::string name = row.kernel + " " + row.format + " m" + std::to_string(row.m) + " n" +
                             std::to_string(row.n) + " k" + std::to_string(row.k);
    return name.find(options_.filter) != std::string::npos;
  }

  /// Median of pairs (limit, kernel) measured one right after the other, so that a machine that slows down slows both.
  Timing time(const Row& row, const std::function<void()>& call) {
    call();
    std::vector<double> seconds, shares;
    for (int r = 0; r < options_.repetitions; ++r) {
      const bool read = std::strcmp(row.limit, "read") == 0;
      const double limit = read                                  ? machine_.read()
                           : std::strcmp(row.limit, "int8") == 0 ? machine_.int8()
                                                                 : machine_.fma();
      int calls = 0;
      const double start = now();
      double taken = 0;
      do {
        call();
        ++calls;
        taken = now() - start;
      } while (taken < 0.03);
      seconds.push_back(taken / calls);
      shares.push_back((read ? row.bytes : row.operations) / seconds.back() / limit);
    }
    return {median(seconds), row.operations / median(seconds) / 1e9,
            limit_is_known(row) ? median(shares) : 0};
  }

  void measure(const Row& row, const std::function<void()>& call) { print(row, time(row, call)); }

  bool limit_is_known(const Row& row) const {
    return std::strcmp(row.limit, "int8") != 0 || machine_.int8(0.001) > 0;
  }

  void print(const Row& r, const Timing& timing) const {
    const auto [seconds, ignored, share] = timing;
    const double gops = r.operations / seconds / 1e9, gbs = r.bytes / seconds / 1e9;
    if (options_.json)
      std::printf(
          "{\"kernel\":\"%s\",\"format\":\"%s\",\"isa\":\"%s\",\"m\":%lld,\"n\":%lld,\"k\":%lld,\"seconds\":%"
          ".9g,\"gops\":%.6g,\"gbs\":%.6g,\"limit\":\"%s\",\"share\":%.4f}\n",
          r.kernel.c_str(), r.format.c_str(), kernels_.isa, static_cast<long long>(r.m),
          static_cast<long long>(r.n), static_cast<long long>(r.k), seconds, gops, gbs, r.limit, share);
    else
      std::printf("%-11s %-10s %6lld %6lld %6lld %12.6f %10.1f %8.2f %-5s %5.1f%%\n", r.kernel.c_str(),
                  r.format.c_str(), static_cast<long long>(r.m), static_cast<long long>(r.n),
                  static_cast<long long>(r.k), seconds, gops, gbs, r.limit, 100 * share);
    std::fflush(stdout);
  }

  Options options_;
  kernels::Table kernels_;
  int threads_;
  std::unique_ptr<Team> team_ = std::make_unique<Team>(threads_);
  Machine machine_;
  std::vector<Storage> scratch_;
};

/// seconds by kernel, format and shape, of one run of a benchmark program.
std::map<std::string, double> timings(const std::string& program, const std::string& arguments) {
  std::FILE* pipe = ::popen(("'" + program + "' --json " + arguments).c_str(), "r");
  require(pipe, program, ": could not be started");
  std::string text;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  require(::pclose(pipe) == 0, program, ": the benchmark failed");
  std::map<std::string, double> seconds;
  simdjson::dom::parser parser;
  for (simdjson::dom::element row : parser.parse_many(text)) {
    std::string_view kernel, format;
    if (row["kernel"].get(kernel) != simdjson::SUCCESS || row["format"].get(format) != simdjson::SUCCESS)
      continue;
    const std::string key =
        std::string(kernel) + " " + std::string(format) + " m" + std::to_string(std::int64_t(row["m"])) +
        " n" + std::to_string(std::int64_t(row["n"])) + " k" + std::to_string(std::int64_t(row["k"]));
    seconds[key] = double(row["seconds"]);
  }
  return seconds;
}

/// A, B, A, B ...: the ratio pair by pair survives a machine whose speed drifts.
void compare(const std::string& self, const Options& o) {
  std::string arguments = "--repetitions 3 --filter '" + o.filter + "'";
  if (!o.isa.empty()) arguments += " --isa " + o.isa;
  if (o.threads > 0) arguments += " --threads " + std::to_string(o.threads);
  std::map<std::string, std::vector<double>> ratios;
  for (int round = 0; round < o.rounds; ++round) {
    const auto mine = timings(self, arguments), other = timings(o.against, arguments);
    for (const auto& [key, seconds] : mine)
      if (const auto found = other.find(key); found != other.end())
        ratios[key].push_back(found->second / seconds);
  }
  std::printf("this build against %s: speed ratio, median of %d pairs (above 1: this one is faster)\n",
              o.against.c_str(), o.rounds);
  for (const auto& [key, values] : ratios) std::printf("%-48s %6.3f\n", key.c_str(), median(values));
}

/// The table of one instruction set, or of all that this CPU runs.
void print_table(Options o) {
  std::vector<std::string> isas;
  for (const kernels::Isa& isa : kernels::built_in_isas())
    if (o.isa.empty() ? isa.supported() && isa.name != "scalar" : isa.name == o.isa)
      isas.emplace_back(isa.name);
  if (isas.empty()) static_cast<void>(select_isa(o.isa));
  std::vector<Bench> benches;
  for (const std::string& isa : isas) {
    o.isa = isa;
    benches.emplace_back(o).print_machine();
  }
  benches.front().print_table_head();
  for (Bench& bench : benches) bench.table();
}

int run(int argc, char** argv) {
  Options o;
  cli::Flags flags;
  flags.text("--isa", "NAME", "instruction set [best, $LA_ISA]", o.isa);
  flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", o.threads, 1, 4096);
  flags.text("--filter", "TEXT", "only rows whose 'kernel format mM nN kK' contains it", o.filter);
  flags.number<int>("--repetitions", "of each measurement [7]", o.repetitions, 1, 1000);
  flags.text("--model-dir", "DIR", "take the shapes from this checkpoint [the 3B's]", o.model_dir);
  flags.text("--against", "PROGRAM", "interleave with another build of this program", o.against);
  flags.number<int>("--rounds", "pairs of runs for --against [5]", o.rounds, 1, 1000);
  flags.on("--table", "only the table of rows and formats, for --isa or every set that runs", o.table);
  flags.text("--rows", "LIST",
             "the table's rows [1,6,12,16,48,96,350]; --filter takes the formats that begin with it", o.rows);
  flags.on("--json", "one object a line", o.json);
  flags.on("--help", "print this", o.help);
  flags.parse(argc, argv);
  if (o.help)
    std::cout << "kernels: every kernel beside this machine's limits\n\n" << flags.help();
  else if (!o.against.empty())
    compare(argv[0], o);
  else if (o.table)
    print_table(o);
  else
    Bench(o).run();
  return 0;
}

}  // namespace
}  // namespace la::bench

int main(int argc, char** argv) {
  return la::cli::run_main("kernels", [&] { return la::bench::run(argc, argv); });
}
