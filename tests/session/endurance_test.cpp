#include <malloc.h>

#include "../../la/image/load.hpp"
#include "../../la/session/session.hpp"
#include "../support.hpp"

// Memory that does not grow, however long a session lives.
namespace la::test {
namespace {

/// Bytes of the heap in use.
std::size_t heap_bytes() {
  return ::mallinfo2().uordblks;
}

#if defined(LA_SANITIZED)
constexpr int kShare = 50;  // which have their own detectors of leaks, and are slow
#else
constexpr int kShare = 1;
#endif

/// Runs the action so often, and checks that the last nine tenths took no memory that they kept.
template <class Action>
void check_flat(int count, const Action& action) {
  int done = 0;
  for (; done < count / 10; ++done) action(done);
  const std::size_t heap = heap_bytes(), resident = resident_bytes();
  for (; done < count; ++done) action(done);
  if (kShare > 1) return;
  CHECK(heap_bytes() < heap + (std::size_t{16} << 10));  // two bytes an ask
  CHECK(resident_bytes() < resident + (std::size_t{1} << 20));
}

Session open(std::size_t image_cache_bytes) {
  SessionOptions options;
  options.threads = 1;
  options.image_cache_bytes = image_cache_bytes;
  return Session::open(source("data/shapes"), options);
}

}  // namespace

TEST_CASE("endurance: 10,000 questions take no more memory than 1,000") {
  Session session = open(std::size_t{64} << 20);
  std::vector<EncodedImage> images;
  for (const char* name : {"00", "01", "03"})
    images.push_back(
        session.encode(load_image(source(std::string("tests/goldens/shapes/images/") + name + ".png"))));
  const char* phrases[] = {"red circle", "green cross", "ring", "a blue star", "black letter Y"};
  AskOptions options;
  i64 tokens = 0;
  check_flat(10'000 / kShare, [&](int i) {
    options.generation.max_new_tokens = 1 + i % 3;
    options.generation.mode = i % 2 == 0 ? Mode::slow : Mode::hybrid;
    tokens += i64(session.ground(images[std::size_t(i % 3)], phrases[i % 5], options).token_ids.size());
  });
  CHECK(tokens >= 10'000 / kShare);
}

TEST_CASE("endurance: 1,500 frames, each another picture, take no more memory than 150") {
  Session session = open(0);
  Image frame(84, 84);
  Request request;
  request.question = question(Task::ground_single, "red circle");
  request.options.generation.max_new_tokens = 4;
  check_flat(1'500 / kShare, [&](int i) {
    for (std::size_t at = 0; at < frame.pixels.size(); ++at)
      frame.pixels[at] = std::uint8_t(at * 7 + std::size_t(i) * 31);
    request.images.assign(1, ImageView(frame));
    CHECK(session.ask(request).token_ids.size() > 0);
  });
  CHECK(session.statistics().vision_runs == 1'500 / kShare);
}

}  // namespace la::test
