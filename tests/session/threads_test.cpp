#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "../../la/image/load.hpp"
#include "../../la/session/session.hpp"
#include "../support.hpp"

// Threads that a session makes, and the stacks that it needs.
namespace la::test {
namespace {

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

Image shapes() {
  return load_image(source("data/pictures/shapes.png"));
}

Request about(ImageSource image) {
  Request request;
  request.images = {std::move(image)};
  request.question = question(Task::ground_single, "red circle");
  return request;
}

}  // namespace

TEST_CASE("threads: a session of one thread starts none, from the file to the answer") {
  const i64 made = Team::threads_made();
  const std::ptrdiff_t before = threads_of_this_process();
  SessionOptions options;
  options.threads = 1;
  Session session = Session::open(source("data/shapes"), options);
  Request resized = about(Image(1800, 1300));
  resized.max_side = 448;
  resized.options.generation.max_new_tokens = 8;
  session.ask(resized);
  const std::vector<Request> requests{about(shapes()), about(source("data/pictures/turned.jpg"))};
  CHECK(session.batch(requests)[0].items.size() == 1);
  CHECK(Team::threads_made() == made);
  CHECK(threads_of_this_process() == before);
}

#if !defined(LA_SANITIZED)  // which need more of both

TEST_CASE("threads: a session whose threads the system does not give is an error") {
  const pid_t child = ::fork();
  if (child == 0) {
    // The user's limit binds everyone but root.
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0 ||
        (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)))
      ::_exit(2);
    SessionOptions options;
    options.threads = 4;
    try {
      Session::open(source("data/shapes"), options);
    } catch (const Error& error) {
      ::_exit(std::string(error.what()).starts_with("threads: expected 3 more, the system gave 0: ") ? 0 : 1);
    } catch (...) {
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("threads: a stack of 64 KiB is enough, of who calls and of the workers") {
  bool good = false;
  const std::function<void()> work = [&] {
    SessionOptions options;
    options.threads = 3;
    Session session = Session::open(source("data/shapes"), options);
    Request tiles = about(source("data/pictures/turned.jpg"));
    tiles.options.tile.side = 128;
    session.ask(tiles);
    good = session.ask(about(shapes())).items.size() == 1;
  };
  pthread_attr_t before, small;
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  ::pthread_attr_init(&small);
  REQUIRE(::pthread_attr_setstacksize(&small, std::size_t{64} << 10) == 0);
  REQUIRE(::pthread_setattr_default_np(&small) == 0);
  std::thread(work).join();
  REQUIRE(::pthread_setattr_default_np(&before) == 0);
  CHECK(good);
}

#endif

}  // namespace la::test
