// Seconds that pictures take from their bytes to RGB, by la and, where it reads them, by stb_image; turn and turn about.
//
//   decode [--rounds N] FILE...        a JSON line each; decode.py makes files, and times PIL between them
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "examples/cli/run_main.hpp"
#include "la/core/input_file.hpp"
#include "la/core/stopwatch.hpp"
#include "la/image/decode_stb.hpp"
#include "la/image/load.hpp"
#include "la/io/json_write.hpp"

namespace la::bench {
namespace {

template <class Decode>
double seconds(const Decode& decode) {
  Stopwatch watch;
  decode();
  return watch.lap();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void time_file(const std::string& path, int rounds) {
  const std::string file = read_whole_file(path, std::size_t{1} << 30);
  const auto bytes = std::as_bytes(std::span(file));
  const ImageFormat format = require_image_format(bytes, path);
  const LoadOptions options;
  const bool stb = format == ImageFormat::jpeg || format == ImageFormat::png || format == ImageFormat::bmp;
  std::vector<double> ours, theirs;
  Image image;
  for (int round = 0; round < rounds; ++round) {
    ours.push_back(seconds([&] { image = decode_image(bytes, path, options); }));
    if (stb) theirs.push_back(seconds([&] { detail::decode_stb({bytes, path, format, options}); }));
  }
  std::printf("{\"file\": %s, \"width\": %lld, \"height\": %lld, \"la_s\": %.6f, \"stb_s\": %.6f}\n",
              json_quote(path).c_str(), (long long)image.width, (long long)image.height, median(ours),
              stb ? median(theirs) : 0.0);
}

}  // namespace
}  // namespace la::bench

int main(int argc, char** argv) {
  return la::cli::run_main("decode", [&] {
    int rounds = 5, first = 1;
    if (argc > 2 && std::string_view(argv[1]) == "--rounds") {
      const std::string_view text = argv[2];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rounds);
      if (error != std::errc() || end != text.data() + text.size() || rounds < 1)
        la::fail_usage("--rounds: expected a number above 0, found \"" + std::string(text) + '"');
      first = 3;
    }
    if (first >= argc) la::fail_usage("usage: decode [--rounds N] FILE...");
    for (int i = first; i < argc; ++i) la::bench::time_file(argv[i], rounds);
  });
}
