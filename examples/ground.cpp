// Finds things in one picture: `ground --image photo.jpg --phrase "the red car"`.

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <new>

#include "cli/label_font.hpp"
#include "cli/memory.hpp"
#include "cli/model_flags.hpp"
#include "cli/model_identity.hpp"
#include "cli/report.hpp"
#include "cli/run_main.hpp"

namespace la::cli {
namespace {

struct GroundFlags {
  ModelFlags model;
  std::string image, task, categories, query, annotate;
  FontFlag font;
  std::vector<std::string> phrases;
  bool asked_query = false, asked_categories = false, json = false;
  std::size_t max_memory = 0;

  void add_to(Flags& flags) {
    flags.text("--image", "PATH",
               decodable_formats() + "; - reads stdin [$LA_IMAGE, else the bundled picture]", image);
    flags.text("--task", "NAME", task_names() + " [ground-single]", task);
    flags.texts("--phrase", "TEXT",
                "what to find; may be repeated [object; what is in it, of the bundled picture]", phrases);
    flags.text("--categories", "A,B", "for --task detect", [this](const std::string& v) {
      categories = v;
      asked_categories = true;
    });
    flags.text("--query", "TEXT", "the raw question, in place of a task", [this](const std::string& v) {
      query = v;
      asked_query = true;
    });
    flags.text("--annotate", "PATH", "write a PNG or JPEG with the answers drawn in [out.png when run bare]",
               annotate);
    font.add_to(flags);
    flags.on("--json", "one JSON object a question on stdout", json);
    flags.text("--max-memory", "N|NMB|NGB", "refuse to load what is estimated to take more [no limit]",
               [this](const std::string& v) { max_memory = parse_bytes("--max-memory", v); });
    model.add_to(flags);
    flags.allow_once({"--image", "--task", "--categories", "--query", "--annotate"});
  }

  Task chosen_task() const {
    if (task.empty()) return asked_categories ? Task::detect : Task::ground_single;
    return parse_task(task);
  }

  struct Question {
    PromptText text;
    std::vector<std::string> categories{};  ///< of detect
  };

  static Question detect_of(std::vector<std::string> categories) {
    return {detect_question(categories), std::move(categories)};
  }

  /// The questions to ask, in order.
  std::vector<Question> questions() const {
    if (asked_query) {
      if (!task.empty() || !phrases.empty() || asked_categories)
        fail_usage("--query: takes the place of --task, --phrase and --categories; give one or the other");
      return {{PromptText(query)}};
    }
    const Task what = chosen_task();
    if (asked_categories) {
      if (what != Task::detect) fail_usage("--categories: expected --task detect, found --task ", task);
      if (!phrases.empty()) fail_usage("--categories: give --categories or --phrase, not both");
      return {detect_of(category_names(categories, ","))};
    }
    if (what == Task::detect_text && !phrases.empty())
      fail_usage("--phrase: --task detect-text takes none, found '", phrases[0], "'");
    std::vector<Question> all;
    for (const std::string& phrase : phrases)
      all.push_back(what == Task::detect ? detect_of(category_names(phrase))
                                         : Question{question(what, phrase)});
    if (all.empty() && task.empty() && chosen_image().empty())  // everything that the bundled image shows
      for (const char* thing : {"red circle", "green star", "orange triangle", "blue ring"})
        all.push_back({question(what, thing)});
    if (all.empty()) all.push_back({question(what, "object")});
    return all;
  }

  /// --image, else $LA_IMAGE; empty for the bundled one.
  std::string chosen_image() const {
    if (!image.empty()) return image;
    const char* requested = std::getenv("LA_IMAGE");
    return requested ? requested : "";
  }

  std::string image_path() const {
    const std::string chosen = chosen_image();
    return chosen.empty() ? data_directory() + "/pictures/shapes.png" : chosen;
  }
};

Image read_image(const std::string& path, const LoadOptions& options) {
  if (path != "-") return load_image(path, options);
  std::string bytes;
  char piece[1 << 16];
  // One byte over the limit is enough for decode_image to refuse it.
  while (std::cin && i64(bytes.size()) <= options.max_file_bytes) {
    std::cin.read(piece, sizeof piece);
    bytes.append(piece, std::size_t(std::cin.gcount()));
  }
  return decode_image(std::as_bytes(std::span(bytes)), "stdin", options);
}

Session open_session(const std::string& directory, SessionOptions options) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal)
    options.progress = [](double done) {
      std::cerr << "\rloading " << int(done * 100) << " %" << std::flush;
    };
  Session session = Session::open(directory, options);
  if (terminal) std::cerr << "\r               \r";
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  return session;
}

/// Said before minutes go into the answer; the write itself is checked too.
void check_target(const std::string& path, const std::string& image) {
  require(!std::filesystem::is_directory(path), path, ": expected the name of a picture, found a directory");
  written_format(path);
  if (std::error_code ignored; std::filesystem::equivalent(path, image, ignored))
    fail_usage("--annotate ", path, ": expected another file than the picture itself");
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  require(std::filesystem::is_directory(folder), path, ": expected a directory ", folder.string(),
          ", found none");
}

/// Whether the model will be on a card: a card that is asked for by its name need not be there to be planned with.
bool on_card(const SessionOptions& options, const std::string& directory) {
  const Device::Kind kind = parse_device("--device", options.device).kind;
  return kind == Device::Kind::cuda ||
         (kind == Device::Kind::automatic && choose_card(options, CheckpointFiles(directory)) != nullptr);
}

MemoryEstimate estimate(const GroundFlags& flags, const std::string& directory, i64 width, i64 height,
                        const std::vector<GroundFlags::Question>& questions) {
  const ModelConfig config = ModelConfig::load(directory);
  MemoryPlan plan;
  plan.weights = parse_weight_format(flags.model.weights);
  plan.threads = flags.model.threads;
  plan.width = width;
  plan.height = height;
  plan.max_side = flags.model.max_image_side;
  plan.questions = 0;
  const i64 most = BatchOptions{}.batch_size, group = flags.model.categories_per_question;
  for (const GroundFlags::Question& question : questions)
    plan.questions += flags.model.tile.side > 0 ? most
                      : group > 0               ? i64(question.categories.size()) / group + 1
                                                : 1;
  plan.questions = std::min(plan.questions, most);
  for (const GroundFlags::Question& question : questions)  // a byte is a token at most
    plan.question_tokens = std::max(plan.question_tokens, 128 + i64(question.text.text().size()));
  plan.max_new_tokens = flags.model.max_tokens;
  const SessionOptions options = flags.model.session_options();
  plan.card = on_card(options, directory);
  plan.activations = options.activations;
  return estimate_memory(Checkpoint::open(directory), config, plan);
}

/// What --dry tells; a picture that is not there yet, or comes by stdin, is taken for the largest.
void print_dry(const GroundFlags& flags, const std::string& directory,
               const std::vector<GroundFlags::Question>& questions, std::ostream& out) {
  print_summary(directory, out);
  const ProcessorConfig processor = ModelConfig::load(directory).processor;
  Image image;
  image.width = image.height = i64(std::sqrt(double(processor.in_token_limit))) * processor.patch_size;
  if (std::error_code ignored; std::filesystem::is_regular_file(flags.image_path(), ignored))
    image = load_image(flags.image_path(), flags.model.load_options());
  const MemoryEstimate memory = estimate(flags, directory, image.width, image.height, questions);
  out << "memory      for a picture of " << image.width << "x" << image.height << ", " << describe(memory)
      << "\n";
  if (memory.device.total() > 0) out << "on the card " << describe(memory.device) << "\n";
  check_written(out);
  check_memory(memory, flags.max_memory);
}

/// Whether the flags asked for something that needs no model.
bool print_information(const GroundFlags& flags, const Flags& parser, std::ostream& out) {
  if (flags.model.help)
    out << "ground: finds things in one picture\n\n"
        << parser.help()
        << "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted; no file is half written.\n";
  else if (flags.model.version)
    out << "ground (la) " << LA_VERSION << "\n";
  else if (flags.model.isa == "list")
    print_isas(out);
  else
    return false;
  check_written(out);
  return true;
}

/// The answers in the order of the questions, which run together on the one encoded picture. Tiles are cut from the
/// picture itself.
std::vector<Result> ask_all(Session& session, const Image& image, const EncodedImage& encoded, i64 max_side,
                            const std::vector<GroundFlags::Question>& questions, const AskOptions& ask) {
  std::vector<Request> requests;
  for (const GroundFlags::Question& question : questions) {
    Request& request = requests.emplace_back();
    if (ask.tile.side > 0)
      request.images.emplace_back(image);
    else
      request.images.emplace_back(encoded);
    request.question = question.text;
    request.categories = question.categories;
    request.options = ask;
    request.max_side = max_side;
  }
  if (requests.size() == 1) return {session.ask(std::move(requests[0]))};
  return session.batch(requests);
}

/// Asks the questions and prints the answers; what they found, to be drawn.
std::vector<Mark> answer(const GroundFlags& flags, const std::vector<GroundFlags::Question>& questions,
                         const AskOptions& ask, const Image& image, const std::string& name, Session& session,
                         double load_seconds) {
  const i64 max_side = flags.model.max_image_side;
  if (flags.model.warmup)
    ask_all(session, image, session.encode(image, max_side), max_side, {questions[0]}, ask);
  const EncodedImage encoded = session.encode(image, max_side);
  Report report{name, encoded, session, session.ops().isa(), ask.generation.mode, load_seconds, {}};
  if (flags.json) report.model = model_json(session.config().directory, session.weight_format());
  std::vector<Mark> marks;
  for (const Result& result : ask_all(session, image, encoded, max_side, questions, ask)) {
    if (!result.ok()) throw Error(result.error, result.error_kind);
    if (flags.json)
      print_json(report, result, std::cout);
    else
      print_text(result, std::cout);
    check_written(std::cout);
    print_timings(report, result, std::cerr);
    for (const Item& item : result.items) marks.push_back(to_mark(item));
  }
  return marks;
}

void run(int argc, char** argv) {
  GroundFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (print_information(flags, parser, std::cout)) return;

  require_dry(flags.model);
  // Everything that can be wrong with the flags is said before a model is opened.
  const std::vector<GroundFlags::Question> questions = flags.questions();
  const AskOptions ask =
      flags.model.ask_options(flags.asked_query ? Task::ground_single : flags.chosen_task());
  SessionOptions session_options = flags.model.session_options();
  if (flags.model.warmup) session_options.image_cache_bytes = 0;  // the run that is timed does it all again
  const std::string target = flags.annotate.empty() && argc == 1 ? "out.png" : flags.annotate;
  if (!target.empty()) check_target(target, flags.image_path());
  if (target.empty() && !flags.font.path.empty()) fail_usage("--font: expected --annotate with it");
  const std::optional<LabelFont> font = target.empty() ? std::nullopt : flags.font.load();
  const std::string directory = flags.model.directory();
  if (flags.model.dry) {
    print_dry(flags, directory, questions, std::cout);
    if (flags.model.check) check_values(directory, std::cout, std::cerr);
    return check_written(std::cout);
  }

  const std::string name = flags.image_path();
  const Image image = read_image(name, flags.model.load_options());
  if (flags.max_memory > 0)
    check_memory(estimate(flags, directory, image.width, image.height, questions), flags.max_memory);
  const auto start = std::chrono::steady_clock::now();
  Session session = open_session(directory, session_options);
  print_device(flags.model, session, std::cerr);
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  const std::vector<Mark> marks = answer(flags, questions, ask, image, name, session, load.count());
  if (target.empty()) return;
  AnnotateOptions look;
  if (font) look.font = &*font;
  write_image(target, annotate(image, marks, look));
  std::cerr << "wrote " << target << "\n";
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("ground", [&] { return la::cli::run(argc, argv); });
}
