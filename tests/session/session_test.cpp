#include <thread>

#include "../../la/image/resize.hpp"
#include "../../la/text/named_image.hpp"
#include "../../la/session/session.hpp"
#include "pictures.hpp"

namespace la::test {
namespace {

Session open(SessionOptions options = {}) {
  if (options.threads == 0) options.threads = 1;
  return Session::open(source("data/shapes"), options);
}

AskOptions tokens(i64 max) {
  AskOptions options;
  options.generation.max_new_tokens = max;
  return options;
}

}  // namespace

TEST_CASE("session: one that was moved from is an error to use, and can be assigned to") {
  Session from = Session::open(source("data/shapes"));
  Session to = std::move(from);
  CHECK_THROWS_WITH_AS(from.config(), "session: expected an open one, found one that was moved from", Error);
  CHECK_THROWS_AS(from.encode(Image(28, 28)), Error);
  CHECK_THROWS_AS(from.batch(std::vector<Request>(1)), Error);
  CHECK_THROWS_AS(from.statistics(), Error);
  from = std::move(to);
  CHECK(from.config().text.layers > 0);
}

TEST_CASE("session: a picture that comes again is not encoded again") {
  Session session = open();
  const EncodedImage first = session.encode(golden_image("00")), again = session.encode(golden_image("00"));
  CHECK(again.memory == first.memory);
  CHECK(again.vision_seconds == 0);
  CHECK(first.vision_seconds > 0);
  Image changed = golden_image("00");
  changed.pixels.back() ^= 1;
  CHECK(session.encode(changed).memory != first.memory);
  CHECK(session.encode(golden_image("00"), 100).memory != first.memory);
  CHECK(session.encode(golden_image("00"), 100).width == first.width);
  CHECK(session.statistics().vision_runs == 3);
  CHECK(session.statistics().vision_hits == 2);
}

TEST_CASE("session: a view of pixels anywhere is the picture that they are") {
  Session session = open();
  const Image image = golden_image("00");
  std::vector<std::uint8_t> frame(
      std::size_t(image.height * (4 * image.width + 12)));  // BGRX, rows bottom up
  const i64 stride = 4 * image.width + 12;
  for (i64 y = 0; y < image.height; ++y)
    for (i64 x = 0; x < image.width; ++x)
      for (i64 c = 0; c < 3; ++c)
        frame[std::size_t((image.height - 1 - y) * stride + 4 * x + c)] = image.row(y)[3 * x + 2 - c];
  const ImageView view(frame.data() + (image.height - 1) * stride, image.width, image.height, -stride,
                       PixelFormat::bgrx);
  const EncodedImage expected = session.encode(image);
  CHECK(session.encode(view).memory == expected.memory);  // found by its pixels
  CHECK(session.encode(view, 100).memory == session.encode(image, 100).memory);

  SessionOptions uncached;
  uncached.image_cache_bytes = 0;
  Session other = open(uncached);
  Request request;
  request.images.emplace_back(view);
  request.question = question(Task::ground_single, "red circle");
  request.options = tokens(12);
  const Result result = other.ask(request);
  CHECK(result.token_ids == session.ground(expected, "red circle", tokens(12)).token_ids);
  CHECK(result.width == image.width);
  request.options.tile.side = 96;
  Request of_image = request;
  of_image.images[0] = image;
  CHECK(other.ask(request).token_ids == other.ask(of_image).token_ids);
  request.images[0] = ImageView(frame.data(), 4, 4, 4);
  CHECK_THROWS_WITH_AS(other.ask(request), doctest::Contains("picture: stride: expected at least 12 bytes"),
                       Error);
}

TEST_CASE("session: the cache of pictures keeps to its bytes, and handles outlive it") {
  SessionOptions options;
  Session measure = open();
  const std::size_t bytes = std::size_t(measure.encode(golden_image("00")).rows.size()) * sizeof(float);
  options.image_cache_bytes = 2 * bytes;
  Session session = open(options);
  const EncodedImage kept = session.encode(golden_image("00"));
  Image other = golden_image("00");
  for (int i = 0; i < 2; ++i) {
    other.pixels[0] = std::uint8_t(other.pixels[0] + 1);
    session.encode(other);
  }
  CHECK(session.encode(golden_image("00")).memory != kept.memory);
  CHECK(session.statistics().vision_runs == 4);
  CHECK(session.ground(kept, "red circle", tokens(12)).token_ids.size() > 0);

  options.image_cache_bytes = 0;
  Session off = open(options);
  CHECK(off.encode(golden_image("00")).memory != off.encode(golden_image("00")).memory);
}

TEST_CASE("session: of the pictures that are kept, one that was asked for again stays the longest") {
  const auto image = [](i64 shade) {
    EncodedImage encoded;
    encoded.width = shade;
    encoded.rows = ConstMatrix(nullptr, {1, 16});
    return encoded;
  };
  const auto key = [](i64 shade) { return ImageKey{{}, shade, 1, 0}; };
  ImageCache cache(3 * 16 * sizeof(float));
  for (i64 shade = 1; shade <= 3; ++shade) cache.keep(key(shade), image(shade));
  CHECK(cache.find_at_once(key(1))->width == 1);
  CHECK(cache.find(key(2))->width == 2);
  cache.keep(key(4), image(4));
  CHECK_FALSE(cache.find_at_once(key(3)));
  CHECK_FALSE(cache.find(key(3)));
  cache.keep(key(5), image(5));  // both have had their second chance
  CHECK_FALSE(cache.find(key(1)));
  for (const i64 shade : {2, 4, 5}) CHECK(cache.find(key(shade))->width == shade);
  cache.keep(key(6), image(6));  // all of them were asked for
  CHECK(cache.find(key(6)));
}

TEST_CASE("session: a picture that is still there waits for nobody's pass") {
  SessionOptions options;
  options.threads = 1;
  Engine engine(source("data/shapes"), options);
  const EncodedImage known = engine.encode(golden_image("00"), 0, true, {});
  const std::lock_guard pass(engine.mutex);
  const Interrupt at_once = [] { return true; };
  CHECK(engine.encode(golden_image("00"), 0, true, at_once).memory == known.memory);
  CHECK_THROWS_AS(engine.encode(golden_image("03"), 0, true, at_once), Interrupted);
}

TEST_CASE("session: the next question on a picture starts from the last one's prompt") {
  Session session = open();
  SessionOptions forgetful;
  forgetful.kept_prefixes = 0;
  Session fresh = open(forgetful);
  const EncodedImage image = session.encode(golden_image("00")), same = fresh.encode(golden_image("00"));
  const Result first = session.ground(image, "green cross", tokens(24));
  CHECK(first.shared_tokens == 0);
  for (const char* phrase : {"pink ring", "green cross", "orange diamond"}) {
    const Result next = session.ground(image, phrase, tokens(24)),
                 alone = fresh.ground(same, phrase, tokens(24));
    CHECK(next.shared_tokens > next.prompt_tokens / 2);
    CHECK(next.shared_tokens < next.prompt_tokens);
    CHECK(alone.shared_tokens == 0);
    CHECK(next.token_ids == alone.token_ids);
  }
  // Another picture in its place shares no more than the words before it.
  const Result other = session.ground(session.encode(golden_image("03")), "green cross", tokens(4));
  CHECK(other.shared_tokens < 20);
}

TEST_CASE("session: what is kept of a picture goes with it") {
  SessionOptions options;
  options.image_cache_bytes = 0;
  Session session = open(options);
  {
    const EncodedImage image = session.encode(golden_image("00"));
    session.ground(image, "green cross", tokens(4));
    CHECK(session.statistics().kv_bytes > 0);
  }
  const EncodedImage image = session.encode(golden_image("03"));
  CHECK(session.ground(image, "green cross", tokens(4)).shared_tokens == 0);
}

TEST_CASE("session: several threads get the answers that each gets alone") {
  const char* names[] = {"00", "01", "03"};
  const char* phrases[] = {"green cross", "ring", "red circle"};
  SessionOptions options;
  // Room for two rows: the others wait for their turn.
  Session sizes = open();
  sizes.ground(sizes.encode(golden_image("00")), "green cross", tokens(24));
  options.kv_budget_bytes = sizes.statistics().peak_kv_bytes;
  Session session = open(options);
  std::vector<std::vector<std::int32_t>> want;
  for (int i = 0; i < 3; ++i) {
    Session alone = open();
    want.push_back(alone.ground(alone.encode(golden_image(names[i])), phrases[i], tokens(24)).token_ids);
  }
  std::vector<std::vector<std::int32_t>> got(9);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t i = (t + k) % 3;
        if (t == 2) {  // this one by batch
          Request request;
          request.images.push_back(golden_image(names[i]));
          request.question = question(Task::ground_single, phrases[i]);
          request.options = tokens(24);
          got[t * 3 + i] = session.batch(std::span(&request, 1))[0].token_ids;
        } else {
          got[t * 3 + i] =
              session.ground(session.encode(golden_image(names[i])), phrases[i], tokens(24)).token_ids;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < 3; ++i) CHECK(got[t * 3 + i] == want[i]);
  CHECK(session.statistics().vision_runs == 3);
  CHECK(session.statistics().peak_kv_bytes <= options.kv_budget_bytes);
}

TEST_CASE("session: another thread may cancel an answer") {
  Session session = open();
  const EncodedImage image = session.encode(golden_image("00"));
  std::stop_source stop;
  AskOptions options = tokens(4096);
  options.generation.mode = Mode::slow;
  options.generation.stop = StopPolicy::official;
  options.generation.sampling.temperature = 50;  // never comes to an end by itself
  options.stop = stop.get_token();
  i64 steps = 0;
  options.on_logits = [&](ConstMatrix) {
    if (++steps == 3) std::thread([&] { stop.request_stop(); }).join();
  };
  const Result result = session.ask(image, PromptText("what?"), options);
  CHECK(result.stop == StopReason::cancelled);
  CHECK(result.token_ids.size() == 3);
  CHECK(session.ground(image, "green cross", tokens(24)).token_ids.size() > 4);
}

TEST_CASE("session: a callback may ask the session itself") {
  Session session = open();
  const EncodedImage image = session.encode(golden_image("00"));
  AskOptions options = tokens(32);
  std::vector<i64> nested;
  options.on_item = [&](const Item&) {
    nested.push_back(i64(session.ground(image, "pink ring", tokens(8)).token_ids.size()));
  };
  const Result outer = session.detect(image, "green cross, pink ring, orange diamond", options);
  CHECK(outer.items.size() == nested.size());
  CHECK(nested.size() > 0);
}

TEST_CASE("session: boxes are on the first picture unless the question names another") {
  CHECK(named_image("where is it?", 2) == std::nullopt);
  CHECK(named_image("where is it in <image-2>?", 2) == 1);
  CHECK(named_image("where is it in <image 2>?", 2) == 1);
  CHECK(named_image("what <image-2> shows, in <image-1>", 2) == std::nullopt);
  CHECK(named_image("<image-2> and <image-2>", 2) == 1);
  CHECK(named_image("<image-3> <image-0> <image-> <image <image-1", 2) == std::nullopt);
  CHECK(named_image("<image-99999999999999999999999>", 2) == std::nullopt);

  Session session = open();
  const EncodedImage images[] = {session.encode(golden_image("00")),
                                 session.encode(resize_bicubic(golden_image("00"), 448, 448))};
  const auto width = [&](const char* text, AskOptions options = tokens(24)) {
    return session.ask(images, PromptText(text), options).width;
  };
  const i64 first = images[0].width;
  CHECK(width("Point to: green cross.") == first);
  CHECK(width("Point to: green cross in <image-2>.") == 448);
  CHECK(width("Point to: what <image-2> shows in <image-1>.") == first);
  AskOptions chosen = tokens(8);
  chosen.boxes_on = 1;
  CHECK(width("Point to: green cross.", chosen) == 448);
  chosen.boxes_on = 2;
  CHECK_THROWS_WITH_AS(width("x", chosen), "boxes_on: expected one of 2 pictures, counted from 0, found 2",
                       Error);
  CHECK_THROWS_AS(session.ask(std::span<const EncodedImage>(), PromptText("x")), Error);
}

TEST_CASE("session: the pictures of a prompt do not see each other, whatever order they were encoded in") {
  Session session = open(), other = open();
  const EncodedImage a[] = {session.encode(golden_image("00")), session.encode(golden_image("03"))};
  const EncodedImage second = other.encode(golden_image("03")),
                     b[] = {other.encode(golden_image("00")), second};
  const PromptText text("Locate all the instances that match the following description: red circle.");
  CHECK(session.ask(a, text, tokens(24)).token_ids == other.ask(b, text, tokens(24)).token_ids);
}

}  // namespace la::test
