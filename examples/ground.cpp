// Finds things in one picture: `ground --image photo.jpg --phrase "the red car"`.

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <iterator>
#include <new>

#include "cli/model_flags.hpp"
#include "cli/report.hpp"

namespace la::cli {
namespace {

struct GroundFlags {
  ModelFlags model;
  std::string image, task, categories, query, annotate;
  std::vector<std::string> phrases;
  bool asked_query = false, asked_categories = false, json = false;

  void add_to(Flags& flags) {
    flags.text("--image", "PATH", "JPEG, PNG or BMP; - reads stdin [$LA_IMAGE, else the bundled picture]", image);
    flags.text("--task", "NAME",
               "detect, ground-single, ground-multi, ground-text, detect-text, ground-gui, point, point-gui "
               "[ground-single]", task);
    flags.text("--phrase", "TEXT", "what to find; may be repeated [object]",
               [this](const std::string& v) { phrases.push_back(v); });
    flags.text("--categories", "A,B", "for --task detect", [this](const std::string& v) {
      categories = v;
      asked_categories = true;
    });
    flags.text("--query", "TEXT", "the raw question, in place of a task", [this](const std::string& v) {
      query = v;
      asked_query = true;
    });
    flags.text("--annotate", "PATH", "write a PNG with the answers drawn in [out.png when run bare]", annotate);
    flags.on("--json", "one JSON object a question on stdout", json);
    model.add_to(flags);
  }

  Task chosen_task() const {
    if (task.empty()) return asked_categories ? Task::detect : Task::ground_single;
    return parse_task(task);
  }

  /// The questions to ask, in order.
  std::vector<PromptText> questions() const {
    if (asked_query) {
      if (!task.empty() || !phrases.empty() || asked_categories)
        fail_usage("--query: takes the place of --task, --phrase and --categories; give one or the other");
      return {PromptText(query)};
    }
    const Task what = chosen_task();
    if (asked_categories) {
      if (what != Task::detect) fail_usage("--categories: expected --task detect, found --task ", task);
      if (!phrases.empty()) fail_usage("--categories: give --categories or --phrase, not both");
      return {question(what, detect_categories(categories))};
    }
    if (what == Task::detect_text && !phrases.empty())
      fail_usage("--phrase: --task detect-text takes none, found '", phrases[0], "'");
    std::vector<PromptText> all;
    for (const std::string& phrase : phrases) all.push_back(question(what, phrase));
    if (all.empty()) all.push_back(question(what, "object"));
    return all;
  }

  std::string image_path() const {
    if (!image.empty()) return image;
    if (const char* wish = std::getenv("LA_IMAGE"); wish && *wish) return wish;
    const char* data = std::getenv("LA_DATA_DIR");
    return std::string(data ? data : LA_DATA_DIR) + "/pictures/shapes.png";
  }
};

Image read_image(const std::string& path, const LoadOptions& options) {
  if (path != "-") return load_image(path, options);
  const std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
  return decode_image(std::as_bytes(std::span(bytes)), "stdin", options);
}

Session open_session(const std::string& directory, SessionOptions options) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal)
    options.progress = [](double done) { std::cerr << "\rloading " << int(done * 100) << " %" << std::flush; };
  Session session = Session::open(directory, options);
  if (terminal) std::cerr << "\r               \r";
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  return session;
}

void check_written(std::ostream& out) {
  out.flush();
  require(out.good(), "stdout: could not be written");
}

int run(int argc, char** argv) {
  GroundFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (flags.model.help) {
    std::cout << "ground: finds things in one picture\n\n" << parser.help() << "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n";
    return 0;
  }
  if (flags.model.version) {
    std::cout << "ground (la) " << LA_VERSION << "\n";
    return 0;
  }
  if (flags.model.isa == "list") {
    print_isas(std::cout);
    return 0;
  }
  // Everything that can be wrong with the flags is said before a model is opened.
  const std::vector<PromptText> questions = flags.questions();
  AskOptions ask = flags.model.ask_options(flags.asked_query ? Task::ground_single : flags.chosen_task());
  const SessionOptions session_options = flags.model.session_options();
  const std::string directory = flags.model.directory();
  if (flags.model.dry) {
    print_summary(directory, std::cout);
    check_written(std::cout);
    return 0;
  }

  const std::string path = flags.image_path();
  const Image picture = read_image(path, flags.model.load_options());
  const auto start = std::chrono::steady_clock::now();
  Session session = open_session(directory, session_options);
  const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (flags.model.warmup) session.ask(session.encode(picture, flags.model.max_image_side), questions[0], ask);

  const EncodedImage image = session.encode(picture, flags.model.max_image_side);
  const Report report{path, image, session, session.ops().isa(), ask.generation.mode, load_seconds};
  std::vector<Mark> marks;
  for (const PromptText& question : questions) {
    const Result result = session.ask(image, question, ask);
    if (flags.json)
      print_json(report, result, std::cout);
    else
      print_text(result, std::cout);
    print_timings(report, result, std::cerr);
    check_written(std::cout);
    for (const Item& item : result.items) marks.push_back(to_mark(item));
  }

  const std::string annotated = flags.annotate.empty() && argc == 1 ? "out.png" : flags.annotate;
  if (!annotated.empty()) {
    write_png(annotated, annotate(picture, marks));
    std::cerr << "wrote " << annotated << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  try {
    return la::cli::run(argc, argv);
  } catch (const la::Error& error) {
    std::cerr << "ground: " << error.what() << "\n";
    return error.kind() == la::ErrorKind::usage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    std::cerr << "ground: out of memory\n";
  } catch (const std::exception& error) {
    std::cerr << "ground: " << error.what() << "\n";
  }
  return 1;
}
