// One number for everything that la answers: a hash of the token ids of the bundled model over the bundled pictures,
// in all decoding modes, for each instruction set that runs here. The same program is built by each compiler, on the
// library and on the headers alone; signature.sh compares what they print with the recorded number.
//
//   signature DATA [ISA]

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "la/la.hpp"

namespace {

/// FNV-1a, 64 bits. source: http://www.isthe.com/chongo/tech/comp/fnv/
class Hash {
 public:
  void add(std::uint32_t value) noexcept {
    for (int byte = 0; byte < 4; ++byte, value >>= 8) state_ = (state_ ^ (value & 0xff)) * 0x100000001b3u;
  }
  std::uint64_t value() const noexcept { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325u;
};

struct Question {
  la::Task task;
  const char* what;
};

struct ImageSource {
  const char* file;
  Question questions[3];
};

using la::Task;

constexpr ImageSource kImages[] = {
    {"shapes.png",
     {{Task::ground_single, "object"},
      {Task::detect, "red circle</c>blue ring"},
      {Task::point, "green star"}}},
    {"crowd.png",
     {{Task::ground_single, "purple star"},
      {Task::detect, "red circle</c>blue square</c>yellow cross"},
      {Task::ground_gui, "green hexagon"}}},
    {"letters.png", {{Task::detect_text, ""}, {Task::ground_text, "R"}, {Task::point_gui, "U"}}},
    {"turned.jpg",
     {{Task::ground_single, "pink diamond"},
      {Task::ground_multi, "green cross"},
      {Task::ground_single, "purple square"}}},
};

std::uint64_t signature(const std::string& data, std::string_view isa) {
  la::SessionOptions options;
  options.isa = isa;
  la::Session session = la::Session::open(data + "/shapes", options);
  Hash hash;
  for (const ImageSource& source : kImages) {
    const la::EncodedImage image = session.encode(la::load_image(data + "/pictures/" + source.file));
    for (const Question& question : source.questions)
      for (const la::Mode mode : {la::Mode::slow, la::Mode::fast, la::Mode::hybrid}) {
        la::AskOptions ask;
        ask.generation.mode = mode;
        const la::Result result = session.ask(image, la::question(question.task, question.what), ask);
        hash.add(std::uint32_t(result.token_ids.size()));
        for (const std::int32_t id : result.token_ids) hash.add(std::uint32_t(id));
      }
  }
  return hash.value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s DATA [ISA]\n", argv[0]);
    return 2;
  }
  try {
    for (const la::kernels::Isa& isa : la::kernels::built_in_isas()) {
      if (!isa.supported() || (argc == 3 && isa.name != std::string_view(argv[2]))) continue;
      std::printf("%016llx %s\n", static_cast<unsigned long long>(signature(argv[1], isa.name)),
                  std::string(isa.name).c_str());
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "signature: %s\n", error.what());
    return 1;
  }
}
