// Many pictures on many processes: what this machine does with 1, 2 and 4 of them, what a simulation says of 1,000, and
// what it costs to merge shards.
//
//   bulk BATCH CHECKPOINT [PICTURES [LINES [BATCH_SIZE]]]

#include <cstdio>
#include <cstdlib>

#include "../examples/batch/answer_line.hpp"
#include "bulk/images.hpp"
#include "bulk/processes.hpp"
#include "bulk/simulation.hpp"
#include "examples/cli/run_main.hpp"

namespace la::bulk {
namespace {

/// A folder that goes when the run ends.
struct Scratch {
  std::string path = (std::filesystem::temp_directory_path() / "la-bulk-XXXXXX").string();
  Scratch() { require(::mkdtemp(path.data()) != nullptr, path, ": could not be made"); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path); }
};

void print_processes(const std::vector<std::string>& batch, const std::string& folder, int pictures) {
  std::printf("%-16s %9s %11s %8s\n", "processes", "seconds", "pictures/s", "idle");
  const auto print = [&](const char* how, int count, const Speed& speed) {
    std::printf("%2d %-13s %9.2f %11.1f %6.1f %%\n", count, how, speed.seconds, pictures / speed.seconds,
                100 * speed.idle);
    std::fflush(stdout);
  };
  for (const int count : {1, 2, 4})
    print("static shards", count, run_shards(batch, folder + "/out.jsonl", count));
  if (std::system("command -v mpirun >/dev/null") != 0) return;
  for (const int count : {2, 4}) print("ranks", count, run_ranks(batch, folder + "/ranks.jsonl", count));
}

/// What each picture takes alone on one thread, from its file to its answer.
std::vector<Cost> measure(const std::string& checkpoint, const std::vector<Picture>& pictures) {
  SessionOptions options;
  options.threads = 1;
  Session session = Session::open(checkpoint, options);
  // To warm up; none of the pictures may be seen before, as the session keeps what it encoded.
  static_cast<void>(
      session.ground(session.encode(enlarged(scenes::render(scenes::draw_scene(0), 0), 3)), "ring"));
  std::vector<Cost> costs;
  for (const Picture& picture : pictures) {
    const double begin = now();
    static_cast<void>(session.ground(session.encode(load_image(picture.path)), "red circle"));
    costs.push_back({now() - begin, picture.bytes});
  }
  return costs;
}

void print_simulated(const std::vector<Cost>& measured, int lines, i64 batch_size) {
  scenes::Dice dice(5);
  std::vector<Cost> drawn;
  for (int i = 0; i < lines; ++i) drawn.push_back(measured[dice.pick(measured.size())]);
  double sum = 0, most = 0;
  for (const Cost& cost : drawn) sum += cost.seconds, most = std::max(most, cost.seconds);
  std::printf("\nsimulated: %d lines, drawn from the measured ones: %.4f s each, at most %.4f s\n", lines,
              sum / lines, most);
  std::printf("%9s %10s %8s %9s %10s | %10s %8s %9s\n", "processes", "dealt: s", "idle", "tail, s",
              "us a deal", "static: s", "idle", "tail, s");
  for (const int processes : {1, 2, 4, 16, 64, 256, 1000}) {
    const Simulated deal = simulate_deal(drawn, processes, batch_size),
                    fixed = simulate_shards(drawn, processes);
    std::printf("%9d %10.3f %6.1f %% %9.3f %10.2f | %10.3f %6.1f %% %9.3f\n", processes, deal.seconds,
                100 * deal.idle, deal.tail, 1e6 * deal.deal, fixed.seconds, 100 * fixed.idle, fixed.tail);
  }
}

/// Files of shards with answers of the usual size, and the time that it takes to join them.
void print_merge(std::vector<std::string> batch, const std::string& folder, int lines, int shards) {
  const std::string in = folder + "/many.jsonl", out = folder + "/merged.jsonl";
  Result result;
  result.answer = "<ref>red circle</ref><box><613><148><845><457></box><|im_end|>";
  result.token_ids.resize(9);
  result.items.resize(1);
  result.items[0].label = "red circle";
  simdjson::dom::parser parser;
  {
    std::ofstream requests(in);
    std::vector<std::string> files(static_cast<std::size_t>(shards));
    for (int i = 0; i < lines; ++i) {
      const std::string text = R"({"image":"some/folder/of/pictures/)" + std::to_string(i) +
                               R"(.jpg","task":"ground-multi","phrase":"red circle"})";
      requests << text << "\n";
      const cli::RequestLine line = cli::read_request(parser, {text, {}, i + 1}, {});
      files[std::size_t(i % shards)] += cli::answer_line(line, result, "\"model\":{},\"options\":{}") + "\n";
    }
    for (int i = 0; i < shards; ++i)
      std::ofstream(folder + "/merged.shard-" + std::to_string(i) + "-of-" + std::to_string(shards) +
                    ".jsonl")
          << files[std::size_t(i)];
  }
  std::replace(batch.begin(), batch.end(), folder + "/in.jsonl", in);
  batch.insert(batch.end(), {"--out", out, "--merge"});
  const double begin = now();
  start(std::move(batch), out + ".log");
  const double seconds = ends(1, begin, out + ".log").back();
  std::printf("\nmerge: %d lines of %d shards, %.1f MB: %.2f s, %.0f lines/s\n", lines, shards,
              double(std::filesystem::file_size(out)) / 1e6, seconds, lines / seconds);
}

int run(int argc, char** argv) {
  if (argc < 3 || argc > 6) fail_usage("usage: bulk BATCH CHECKPOINT [PICTURES [LINES [BATCH_SIZE]]]");
  const auto number = [&](int i, int fallback) {
    return argc > i ? cli::Flags::parse_number<int>(std::string("argument ") + std::to_string(i), argv[i], 1,
                                                    100'000'000)
                    : fallback;
  };
  const int count = number(3, 200), lines = number(4, 100'000), batch_size = number(5, 8);
  Scratch scratch;
  const std::vector<Picture> pictures = draw_pictures(scratch.path, count, 1);
  const std::string in = scratch.path + "/in.jsonl";
  write_requests(in, pictures);
  const std::vector<std::string> batch{argv[1],
                                       "--model-dir",
                                       argv[2],
                                       "--requests",
                                       in,
                                       "--threads",
                                       "1",
                                       "--batch-size",
                                       std::to_string(batch_size)};
  const auto [least, most] = std::minmax_element(pictures.begin(), pictures.end(),
                                                 [](auto& a, auto& b) { return a.pixels < b.pixels; });
  std::printf("%d pictures of %lld to %lld pixels\n", count, static_cast<long long>(least->pixels),
              static_cast<long long>(most->pixels));
  print_processes(batch, scratch.path, count);
  print_simulated(measure(argv[2], pictures), lines, batch_size);
  print_merge(batch, scratch.path, lines, 1000);
  return 0;
}

}  // namespace
}  // namespace la::bulk

int main(int argc, char** argv) {
  return la::cli::run_main("bulk", [&] { return la::bulk::run(argc, argv); });
}
