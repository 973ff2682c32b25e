#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "../../la/c/la.h"
#include "../../la/image/load.hpp"
#include "../../la/session/session.hpp"
#include "../../la/version.hpp"
#include "../support.hpp"

// libla.so from outside, beside the library in C++.
namespace la::test {
namespace {

struct Free {
  void operator()(la_session* session) const { la_close(session); }
  void operator()(la_image* image) const { la_image_free(image); }
  void operator()(la_answer* answer) const { la_answer_free(answer); }
  void operator()(la_stop* stop) const { la_stop_free(stop); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

void check_ok(la_status status) {
  REQUIRE_MESSAGE(status == LA_OK, la_last_error());
}

/// What is wrong must be told by a message that begins so.
void check_error(la_status status, la_status expected, const std::string& begin) {
  CHECK(status == expected);
  CHECK(std::string(la_last_error()).substr(0, begin.size()) == begin);
}

la_open_options one_thread() {
  la_open_options options = LA_OPEN_OPTIONS_INIT;
  options.threads = 1;
  return options;
}

Handle<la_session> open(const la_open_options& options = one_thread()) {
  la_session* session = nullptr;
  check_ok(la_open(source("data/shapes").c_str(), &options, &session));
  REQUIRE(session != nullptr);
  return Handle<la_session>(session);
}

const std::string& picture() {
  static const std::string path = source("data/pictures/shapes.png");
  return path;
}

Handle<la_image> encode(la_session* session) {
  la_image* image = nullptr;
  check_ok(la_encode_file(session, picture().c_str(), &image));
  return Handle<la_image>(image);
}

Handle<la_answer> ask(la_session* session, const la_image* image, const char* task, const char* phrase,
                      const la_ask_options* options = nullptr) {
  la_answer* answer = nullptr;
  check_ok(la_ask(session, image, task, phrase, options, &answer));
  return Handle<la_answer>(answer);
}

la_item item(const la_answer* answer, std::size_t index) {
  la_item item = LA_ITEM_INIT;
  check_ok(la_answer_item(answer, index, &item));
  return item;
}

/// Bit for bit what the session in C++ found.
void check_same(const la_answer* answer, const Result& expected) {
  CHECK(la_answer_status(answer) == LA_OK);
  CHECK(std::string(la_answer_error(answer)) == "");
  CHECK(la_answer_text(answer) == expected.answer);
  REQUIRE(la_answer_count(answer) == expected.items.size());
  for (std::size_t i = 0; i < expected.items.size(); ++i) {
    const la_item found = item(answer, i);
    const Item& wanted = expected.items[i];
    CHECK(found.label == wanted.label);
    CHECK(found.kind == (wanted.kind == Item::Kind::box     ? LA_BOX
                         : wanted.kind == Item::Kind::point ? LA_POINT
                                                            : LA_NONE));
    for (std::size_t k = 0; k < 4; ++k) CHECK(found.box[k] == wanted.box[k]);
    for (std::size_t k = 0; k < 2; ++k) CHECK(found.point[k] == wanted.point[k]);
    CHECK(found.score == wanted.score);
    CHECK(found.label_score == wanted.label_score);
  }
}

/// The library in C++, with the picture encoded.
struct Reference {
  Session session = [] {
    SessionOptions options;
    options.threads = 1;
    return Session::open(source("data/shapes"), options);
  }();
  Image pixels = load_image(picture());
  EncodedImage image = session.encode(pixels);
};

}  // namespace

TEST_CASE("c api: its answers are those of the session in C++") {
  Reference reference;
  const Handle<la_session> session = open();
  CHECK(std::string(la_version()) == LA_VERSION);
  CHECK(la_session_warning(session.get(), 0) == nullptr);
  const Handle<la_image> image = encode(session.get());
  CHECK(la_image_width(image.get()) == reference.pixels.width);
  CHECK(la_image_height(image.get()) == reference.pixels.height);

  const Result circle = reference.session.ground(reference.image, "red circle");
  REQUIRE(circle.items.size() == 1);
  check_same(ask(session.get(), image.get(), "ground-single", "red circle").get(), circle);
  check_same(ask(session.get(), image.get(), "point", "blue ring").get(),
             reference.session.point(reference.image, "blue ring"));
  const Result all = reference.session.detect(reference.image, "red circle, green star, purple cross");
  REQUIRE(all.items.size() >= 2);
  check_same(ask(session.get(), image.get(), "detect", "red circle, green star, purple cross").get(), all);
  check_same(ask(session.get(), image.get(), "detect-text", nullptr).get(),
             reference.session.ask(reference.image, question(Task::detect_text, "")));
  // Without a task the phrase is the whole question, special tokens included.
  const PromptText whole("Locate all the instances that match the following description: star</c>ring.");
  check_same(ask(session.get(), image.get(), nullptr, whole.text().c_str()).get(),
             reference.session.ask(reference.image, whole));
}

TEST_CASE("c api: a file, its bytes and its pixels, rows apart or not, are the same picture") {
  Reference reference;
  const Result expected = reference.session.ground(reference.image, "green star");
  const Handle<la_session> session = open();
  la_image* image = nullptr;

  const std::string bytes = read_file(picture());
  check_ok(la_encode_bytes(session.get(), bytes.data(), bytes.size(), &image));
  check_same(ask(session.get(), Handle<la_image>(image).get(), "ground-single", "green star").get(),
             expected);

  const Image& pixels = reference.pixels;
  for (const std::size_t gap : {0, 5}) {
    const std::size_t row = std::size_t(pixels.width) * 3, stride = row + gap;
    std::vector<std::uint8_t> apart(stride * std::size_t(pixels.height - 1) + row, 0xee);
    for (i64 y = 0; y < pixels.height; ++y)
      std::memcpy(apart.data() + std::size_t(y) * stride, pixels.row(y), row);
    check_ok(la_encode_rgb(session.get(), apart.data(), pixels.width, pixels.height, stride, &image));
    const Handle<la_image> held(image);
    std::fill(apart.begin(), apart.end(), std::uint8_t(0));  // not used after the call
    check_same(ask(session.get(), held.get(), "ground-single", "green star").get(), expected);
  }
}

TEST_CASE("c api: options reach the model") {
  Reference reference;
  la_open_options opening = one_thread();
  opening.weights = "q8";
  opening.isa = "scalar";
  opening.max_memory = std::uint64_t{64} << 30;
  SessionOptions options;
  options.threads = 1;
  options.weights = WeightFormat::q8;
  options.isa = "scalar";
  Session eight_bits = Session::open(source("data/shapes"), options);
  {
    const Handle<la_session> session = open(opening);
    check_same(ask(session.get(), encode(session.get()).get(), "ground-single", "red circle").get(),
               eight_bits.ground(eight_bits.encode(reference.pixels), "red circle"));
  }

  const Handle<la_session> session = open();
  const Handle<la_image> image = encode(session.get());
  AskOptions asked;
  asked.generation.mode = Mode::slow;
  asked.generation.max_new_tokens = 5;
  la_ask_options given = LA_ASK_OPTIONS_INIT;
  given.mode = "slow";
  given.max_tokens = 5;
  const Handle<la_answer> cut = ask(session.get(), image.get(), "ground-single", "red circle", &given);
  check_same(cut.get(), reference.session.ground(reference.image, "red circle", asked));
  CHECK(la_answer_stop_reason(cut.get()) == LA_MAX_TOKENS);

  asked.generation.max_new_tokens = given.max_tokens = 40;
  asked.generation.sampling.temperature = given.temperature = 3;
  std::vector<std::string> texts;
  for (const std::uint64_t seed : {7, 8}) {
    asked.generation.sampling.seed = given.seed = seed;
    const Handle<la_answer> drawn = ask(session.get(), image.get(), "ground-single", "red circle", &given);
    check_same(drawn.get(), reference.session.ground(reference.image, "red circle", asked));
    texts.push_back(la_answer_text(drawn.get()));
  }
  CHECK(texts[0] != texts[1]);

  la_ask_options certain = LA_ASK_OPTIONS_INIT;
  const Handle<la_answer> all = ask(session.get(), image.get(), "ground-single", "red circle", &certain);
  CHECK(la_answer_stop_reason(all.get()) == LA_EOS);
  CHECK(la_answer_count(all.get()) == 1);
  certain.min_score = item(all.get(), 0).score + 0.01f;
  CHECK(la_answer_count(ask(session.get(), image.get(), "ground-single", "red circle", &certain).get()) == 0);
}

TEST_CASE("c api: a batch answers as one at a time, and names its mistakes") {
  const Handle<la_session> session = open();
  const Handle<la_image> image = encode(session.get());
  la_ask_options slow = LA_ASK_OPTIONS_INIT;
  slow.mode = "slow";
  const char* const phrases[] = {"red circle", "green star", "blue ring"};
  std::vector<la_request> requests;
  for (const char* phrase : phrases)
    requests.push_back(
        {sizeof(la_request), image.get(), "ground-single", phrase, phrase == phrases[1] ? &slow : nullptr});
  la_ask_options impossible = LA_ASK_OPTIONS_INIT;
  impossible.max_tokens = -1;
  requests.push_back({sizeof(la_request), image.get(), "point", "star", &impossible});

  std::vector<la_answer*> answers(requests.size());
  check_ok(la_batch(session.get(), requests.data(), requests.size(), answers.data()));
  std::vector<Handle<la_answer>> held(answers.begin(), answers.end());
  for (std::size_t i = 0; i < 3; ++i) {
    const Handle<la_answer> alone =
        ask(session.get(), image.get(), "ground-single", phrases[i], requests[i].options);
    CHECK(std::string(la_answer_text(answers[i])) == la_answer_text(alone.get()));
    REQUIRE(la_answer_count(answers[i]) == la_answer_count(alone.get()));
    REQUIRE(la_answer_count(answers[i]) == 1);
    CHECK(item(answers[i], 0).box[0] == item(alone.get(), 0).box[0]);
  }
  CHECK(la_answer_status(answers[3]) == LA_USAGE);
  CHECK(std::string(la_answer_error(answers[3])).find("max_new_tokens") != std::string::npos);
  CHECK(la_answer_count(answers[3]) == 0);

  requests[1].task = "find";
  std::fill(answers.begin(), answers.end(), answers[0]);
  check_error(la_batch(session.get(), requests.data(), requests.size(), answers.data()), LA_USAGE,
              "requests[1]: ");
  CHECK(std::count(answers.begin(), answers.end(), nullptr) == std::ptrdiff_t(answers.size()));
  check_ok(la_batch(session.get(), nullptr, 0, nullptr));
}

TEST_CASE("c api: errors have a status and one line that names what is wrong") {
  const Handle<la_session> session = open();
  const Handle<la_image> image = encode(session.get());
  la_session* no_session = session.get();
  la_image* no_image = image.get();
  la_answer* answer = reinterpret_cast<la_answer*>(image.get());

  CHECK(la_open("/no/such/model", nullptr, &no_session) != LA_OK);
  CHECK(std::string(la_last_error()).find("/no/such/model") != std::string::npos);
  CHECK(no_session == nullptr);
  check_error(la_open(nullptr, nullptr, &no_session), LA_USAGE, "directory_or_id: ");
  check_error(la_open("x", nullptr, nullptr), LA_USAGE, "session: ");
  const std::string model = source("data/shapes");
  la_open_options opening = LA_OPEN_OPTIONS_INIT;
  opening.threads = -1;
  check_error(la_open(model.c_str(), &opening, &no_session), LA_USAGE, "la_open_options.threads: ");
  opening.threads = 1;
  opening.max_memory = 1000;
  check_error(la_open(model.c_str(), &opening, &no_session), LA_FAILED, "la_open_options.max_memory: ");
  opening.max_memory = 0;
  opening.weights = "q3";
  CHECK(la_open(model.c_str(), &opening, &no_session) == LA_USAGE);
  CHECK(std::string(la_last_error()).find("q3") != std::string::npos);
  opening.weights = nullptr;
  opening.isa = "sse";
  CHECK(la_open(model.c_str(), &opening, &no_session) == LA_USAGE);
  CHECK(std::string(la_last_error()).find("sse") != std::string::npos);

  check_error(la_encode_file(session.get(), "/no/such.png", &no_image), LA_FAILED, "/no/such.png: ");
  CHECK(no_image == nullptr);
  check_error(la_encode_file(nullptr, picture().c_str(), &no_image), LA_USAGE, "session: ");
  check_error(la_encode_file(session.get(), nullptr, &no_image), LA_USAGE, "path: ");
  check_error(la_encode_bytes(session.get(), "GIF", 3, &no_image), LA_FAILED, "bytes: ");
  check_error(la_encode_bytes(session.get(), nullptr, 3, &no_image), LA_USAGE, "bytes: ");
  const std::uint8_t pixels[12] = {};
  check_error(la_encode_rgb(session.get(), pixels, 2, 2, 5, &no_image), LA_USAGE, "stride: ");
  check_error(la_encode_rgb(session.get(), pixels, 0, 2, 6, &no_image), LA_USAGE, "pixels: ");
  check_error(la_encode_rgb(session.get(), pixels, 2, -2, 6, &no_image), LA_USAGE, "pixels: ");
  check_error(la_encode_rgb(session.get(), pixels, INT64_MAX, 2, 6, &no_image), LA_USAGE, "picture: ");
  check_error(la_encode_rgb(session.get(), nullptr, 2, 2, 6, &no_image), LA_USAGE, "pixels: ");

  check_error(la_ask(session.get(), image.get(), "find", "x", nullptr, &answer), LA_USAGE, "task: ");
  CHECK(answer == nullptr);
  check_error(la_ask(session.get(), image.get(), "point", nullptr, nullptr, &answer), LA_USAGE, "phrase: ");
  check_error(la_ask(session.get(), image.get(), nullptr, nullptr, nullptr, &answer), LA_USAGE, "phrase: ");
  check_error(la_ask(session.get(), image.get(), "detect", " , ", nullptr, &answer), LA_USAGE,
              "categories: ");
  check_error(la_ask(session.get(), image.get(), "detect-text", "x", nullptr, &answer), LA_USAGE, "phrase: ");
  check_error(la_ask(session.get(), nullptr, "point", "x", nullptr, &answer), LA_USAGE, "image: ");
  check_error(la_ask(nullptr, image.get(), "point", "x", nullptr, &answer), LA_USAGE, "session: ");
  check_error(la_ask(session.get(), image.get(), "point", "x", nullptr, nullptr), LA_USAGE, "answer: ");
  la_ask_options options = LA_ASK_OPTIONS_INIT;
  options.mode = "quick";
  check_error(la_ask(session.get(), image.get(), "point", "x", &options, &answer), LA_USAGE,
              "la_ask_options.mode: ");
  const Handle<la_session> other = open();
  check_error(la_ask(other.get(), image.get(), "point", "x", nullptr, &answer), LA_USAGE, "image: ");

  const Handle<la_answer> found = ask(session.get(), image.get(), "ground-single", "red circle");
  la_item one = LA_ITEM_INIT;
  check_error(la_answer_item(found.get(), 1, &one), LA_USAGE, "index: ");
  check_error(la_answer_item(nullptr, 0, &one), LA_USAGE, "answer: ");
  check_error(la_answer_item(found.get(), 0, nullptr), LA_USAGE, "item: ");
  one.size = 0;
  check_error(la_answer_item(found.get(), 0, &one), LA_USAGE, "la_item.size: ");

  // Each thread has its own last error.
  std::string elsewhere = "?";
  std::thread([&] { elsewhere = la_last_error(); }).join();
  CHECK(elsewhere == "");

  la_close(nullptr);
  la_image_free(nullptr);
  la_answer_free(nullptr);
  la_stop_free(nullptr);
  la_stop_request(nullptr);
}

TEST_CASE("c api: structs of another version") {
  const Handle<la_session> session = open();
  const Handle<la_image> image = encode(session.get());
  la_answer* answer = nullptr;

  // A shorter one: what lies behind it is not looked at.
  la_ask_options options = LA_ASK_OPTIONS_INIT;
  options.mode = "slow";
  options.max_tokens = 5;
  options.min_score = 2;
  options.stop = reinterpret_cast<const la_stop*>(std::uintptr_t{1});
  options.size = offsetof(la_ask_options, seed);
  const Handle<la_answer> cut = ask(session.get(), image.get(), "ground-single", "red circle", &options);
  CHECK(la_answer_stop_reason(cut.get()) == LA_MAX_TOKENS);
  options.size = offsetof(la_ask_options, max_tokens);
  CHECK(la_answer_count(ask(session.get(), image.get(), "ground-single", "red circle", &options).get()) == 1);
  options.size = sizeof(std::size_t) - 1;
  check_error(la_ask(session.get(), image.get(), "point", "x", &options, &answer), LA_USAGE,
              "la_ask_options.size: ");

  // A longer one may say nothing new.
  struct Longer {
    la_ask_options known;
    std::int64_t later;
  } longer{LA_ASK_OPTIONS_INIT, 0};
  longer.known.size = sizeof longer;
  CHECK(la_answer_count(
            ask(session.get(), image.get(), "ground-single", "red circle", &longer.known).get()) == 1);
  longer.later = 1;
  check_error(la_ask(session.get(), image.get(), "point", "x", &longer.known, &answer), LA_USAGE,
              "la_ask_options: expected 0");

  // Requests of a batch lie as far apart as they say.
  struct LongerRequest {
    la_request known;
    std::int64_t later;
  } requests[2] = {};
  for (LongerRequest& request : requests)
    request.known = {sizeof(LongerRequest), image.get(), "ground-single", "red circle", nullptr};
  la_answer* answers[2] = {};
  check_ok(la_batch(session.get(), &requests[0].known, 2, answers));
  const Handle<la_answer> first(answers[0]), second(answers[1]);
  CHECK(la_answer_count(second.get()) == 1);
  requests[1].known.size = sizeof(la_request);
  check_error(la_batch(session.get(), &requests[0].known, 2, answers), LA_USAGE,
              "requests[1]: la_request.size: ");

  // Items are filled as far as the caller knows them, and no further.
  la_item item = LA_ITEM_INIT;
  item.size = offsetof(la_item, point);
  item.score = -7;
  check_ok(la_answer_item(first.get(), 0, &item));
  CHECK(item.box[2] > item.box[0]);
  CHECK(item.score == -7);
  struct LongerItem {
    la_item known;
    std::int64_t later;
  } wide{LA_ITEM_INIT, 5};
  wide.known.size = sizeof wide;
  check_ok(la_answer_item(first.get(), 0, &wide.known));
  CHECK(wide.known.score > 0);
  CHECK(wide.later == 0);
}

TEST_CASE("c api: another thread may stop an answer") {
  const Handle<la_session> session = open();
  const Handle<la_image> image = encode(session.get());
  la_stop* made = nullptr;
  check_ok(la_stop_new(&made));
  Handle<la_stop> stop(made);
  la_ask_options options = LA_ASK_OPTIONS_INIT;
  options.mode = "slow";
  options.temperature = 50;  // draws anything, for long
  options.seed = 1;
  options.stop = stop.get();
  Handle<la_answer> answer;
  std::thread asking([&] { answer = ask(session.get(), image.get(), "ground-single", "x", &options); });
  la_stop_request(stop.get());
  asking.join();
  CHECK(la_answer_stop_reason(answer.get()) == LA_CANCELLED);
  // It stays so for those who have it, and for nobody else.
  CHECK(la_answer_stop_reason(
            ask(session.get(), image.get(), "ground-single", "red circle", &options).get()) == LA_CANCELLED);
  CHECK(la_answer_stop_reason(ask(session.get(), image.get(), "ground-single", "red circle").get()) ==
        LA_EOS);
}

TEST_CASE("c api: handles may be freed in any order, and threads share a session") {
  Handle<la_session> session = open();
  Handle<la_image> image = encode(session.get());
  const std::string expected =
      la_answer_text(ask(session.get(), image.get(), "ground-single", "red circle").get());
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::string& text : texts)
    threads.emplace_back([&session, &text] {
      const Handle<la_image> own = encode(session.get());
      text = la_answer_text(ask(session.get(), own.get(), "ground-single", "red circle").get());
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) CHECK(text == expected);

  const Handle<la_answer> answer = ask(session.get(), image.get(), "ground-single", "red circle");
  session.reset();
  CHECK(la_image_width(image.get()) > 0);
  image.reset();
  CHECK(la_answer_text(answer.get()) == expected);
}

}  // namespace la::test
