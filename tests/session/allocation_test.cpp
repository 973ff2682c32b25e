// What happens when memory runs out: a program of its own, whose allocations can be made to fail one by one, those of
// operator new, of Storage and of stb. The linker leads malloc, aligned_alloc and mmap here, see tests/meson.build.
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "../support.hpp"
#include "la/la.hpp"

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_realloc(void* old, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __real_mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset);
}

namespace {

std::atomic<long> countdown = 0;  // the allocation that brings it to zero fails
std::atomic<long> seen = 0;
std::atomic<bool> lasting = false;  // and all that follow

bool fails() noexcept {
  ++seen;
  const long left = --countdown;
  return left == 0 || (left < 0 && lasting);
}

void* allocate(std::size_t size) noexcept {
  return fails() ? nullptr : __real_malloc(size ? size : 1);
}

void* allocate_aligned(std::size_t size, std::align_val_t alignment) noexcept {
  const std::size_t a = std::size_t(alignment);
  return fails() ? nullptr : __real_aligned_alloc(a, (size + a) / a * a);
}

void* or_throw(void* memory) {
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

extern "C" {
void* __wrap_malloc(std::size_t size) {
  return allocate(size);
}
void* __wrap_realloc(void* old, std::size_t size) {
  return fails() ? nullptr : __real_realloc(old, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : __real_aligned_alloc(alignment, size);
}
// Memory only: a file that cannot be mapped is another error.
void* __wrap_mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) {
  return (flags & MAP_ANONYMOUS) && fails() ? MAP_FAILED
                                            : __real_mmap(at, size, protection, flags, file, offset);
}
}

void* operator new(std::size_t size) {
  return or_throw(allocate(size));
}
void* operator new[](std::size_t size) {
  return or_throw(allocate(size));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t a) {
  return or_throw(allocate_aligned(size, a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return or_throw(allocate_aligned(size, a));
}
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_aligned(size, a);
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_aligned(size, a);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(p);
}

namespace la::test {
namespace {

enum class Outcome { answered, refused };

struct Trial {
  bool reached;  // the n-th allocation
  Outcome outcome;
};

/// Runs `body` while its n-th allocation fails, and with `for_good` all after it.
/// error: an exception that is neither std::bad_alloc nor la's own
template <class Body>
Trial with_failure(long n, bool for_good, const Body& body) {
  lasting = for_good;
  seen = 0;
  countdown = n;
  Outcome outcome = Outcome::answered;
  try {
    body();
  } catch (const std::bad_alloc&) {
    outcome = Outcome::refused;
  } catch (const Error&) {
    outcome = Outcome::refused;
  }
  const bool reached = seen >= n;
  lasting = false;
  countdown = 0;
  return {reached, outcome};
}

/// Fails every `step`-th allocation of `body`, each time followed by `check`, until a run needs no more; how many
/// times.
template <class Body, class Check>
long fail_every(long step, bool for_good, const Body& body, const Check& check) {
  long refused = 0;
  for (long n = 1;; n += step) {
    const Trial trial = with_failure(n, for_good, body);
    if (!trial.reached) {
      CHECK(trial.outcome == Outcome::answered);
      break;
    }
    refused += trial.outcome == Outcome::refused;
    CAPTURE(n);
    check();
  }
  return refused;
}

/// Small, quickly encoded, and with something to find.
Image golden_image() {
  return load_image(source("data/pictures/turned.jpg"));
}

AskOptions short_answer() {
  AskOptions options;
  options.generation.max_new_tokens = 12;
  return options;
}

SessionOptions options_of(int threads, std::size_t cache) {
  SessionOptions options;
  options.threads = threads;
  options.image_cache_bytes = cache;
  return options;
}

std::vector<std::int32_t> answer(Session& session, const Image& image) {
  return session.ground(session.encode(image, 56), "pink diamond", short_answer()).token_ids;
}

}  // namespace

TEST_CASE("allocation: a session whose n-th allocation failed, for every n, answers the next time") {
  const Image image = golden_image();
  for (const std::size_t cache : {std::size_t{0}, std::size_t{1} << 20})
    for (const bool for_good : {false, true})
      for (const int threads : {1, 2}) {
        CAPTURE(cache);
        CAPTURE(for_good);
        CAPTURE(threads);
        Session session = Session::open(source("data/shapes"), options_of(threads, cache));
        const std::vector<std::int32_t> expected = answer(session, image);
        REQUIRE(!expected.empty());
        std::vector<std::int32_t> found;
        const auto run = [&] {
          found.clear();
          std::vector<std::int32_t> ids = answer(session, image);
          found = std::move(ids);
        };
        const long refused = fail_every(threads == 1 && !for_good ? 1 : 7, for_good, run, [&] {
          CHECK((found.empty() || found == expected));  // never a wrong answer
          CHECK(answer(session, image) == expected);
        });
        CHECK(refused > 10);
      }
}

TEST_CASE("allocation: a first answer that fails leaves a session that answers") {
  const Image image = golden_image();
  Session whole = Session::open(source("data/shapes"), options_of(1, 0));
  const std::vector<std::int32_t> expected = answer(whole, image);
  std::unique_ptr<Session> fresh;
  const auto reopen = [&] {
    fresh = std::make_unique<Session>(Session::open(source("data/shapes"), options_of(1, 0)));
  };
  reopen();
  const long refused = fail_every(
      61, false, [&] { answer(*fresh, image); },
      [&] {
        CHECK(answer(*fresh, image) == expected);
        reopen();
      });
  CHECK(refused > 3);
}

TEST_CASE("allocation: in a batch every request has its answer or its error") {
  Session session = Session::open(source("data/shapes"), options_of(1, 0));
  const Image image = golden_image();
  std::vector<Request> requests(3);
  const char* phrases[] = {"pink diamond", "green cross", "pink diamond"};
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i].images = {image};
    requests[i].max_side = 56;
    requests[i].question = question(Task::ground_single, phrases[i]);
    requests[i].options = short_answer();
  }
  const std::vector<Result> expected = session.batch(requests);
  const auto check = [&](const std::vector<Result>& results) {
    for (std::size_t i = 0; i < results.size(); ++i)
      CHECK((!results[i].ok() || results[i].token_ids.empty() ||
             results[i].token_ids == expected[i].token_ids));
  };
  std::vector<Result> found;
  const auto run = [&] {
    found.clear();
    std::vector<Result> results = session.batch(requests);
    found = std::move(results);
  };
  fail_every(5, false, run, [&] {
    check(found);
    const std::vector<Result> again = session.batch(requests);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(again[i].ok());
      CHECK(again[i].token_ids == expected[i].token_ids);
    }
  });
}

TEST_CASE("allocation: opening a checkpoint fails cleanly") {
  // Every one of them would take minutes; a prime step meets all of the code.
  const long refused = fail_every(
      11, false, [] { Session::open(source("tests/checkpoints/odd"), options_of(1, 0)); }, [] {});
  CHECK(refused > 20);
}

TEST_CASE("allocation: pictures are read, drawn on and written, or not") {
  TemporaryDirectory here;
  const std::string target = here / "out.png";
  for (const char* file : {"data/pictures/turned.jpg", "data/pictures/letters.png"}) {
    const auto run = [&] {
      const Image image = load_image(source(file));
      write_png(target, annotate(image, {}));
    };
    const long refused = fail_every(97, false, run, [&] {  // the encoder of PNG has thousands
      // Whole or not there, and nothing beside it.
      if (std::filesystem::exists(target)) CHECK(load_image(target).width > 0);
      std::filesystem::remove(target);
      CHECK(std::filesystem::is_empty(here.str()));
    });
    CHECK(refused > 5);
    std::filesystem::remove(target);
  }
}

}  // namespace la::test
