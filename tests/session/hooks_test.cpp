#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "../../la/session/session.hpp"
#include "pictures.hpp"

// What a program may put in the place of what the library does by itself.
namespace la::test {
namespace {

class CountingMemory final : public MemoryResource {
 public:
  std::byte* allocate(std::size_t bytes) override {
    if (bytes > limit - used) return nullptr;
    used += bytes;
    ++blocks;
    return static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
  }
  void release(std::byte* block, std::size_t bytes) noexcept override {
    used -= bytes;
    std::free(block);
  }
  std::atomic<std::size_t> used = 0, limit = std::size_t{1} << 30, blocks = 0;
};

/// What is written to the descriptors of a program's output while the action runs.
template <class Action>
std::string printed(const Action& action) {
  TemporaryDirectory directory;
  std::fflush(nullptr);
  const std::string path = directory / "printed";
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR, 0600), out = ::dup(1), err = ::dup(2);
  ::dup2(file, 1);
  ::dup2(file, 2);
  action();
  std::fflush(nullptr);
  ::dup2(out, 1);
  ::dup2(err, 2);
  for (const int descriptor : {file, out, err}) ::close(descriptor);
  return read_file(path);
}

}  // namespace

TEST_CASE("hooks: large blocks come from the program's memory, and go back to it") {
  const auto memory = std::make_shared<CountingMemory>();
  SessionOptions options;
  options.threads = 1;
  const std::vector<std::int32_t> expected =
      Session::open(source("data/shapes"), options)
          .ground(Session::open(source("data/shapes"), options).encode(shapes_picture()), "red circle")
          .token_ids;
  options.memory = memory;
  EncodedImage outlives;
  {
    Session session = Session::open(source("data/shapes"), options);
    CHECK(memory->used >= Storage::kMapped);
    const std::size_t opened = memory->blocks;
    outlives = session.encode(Image(756, 756));
    CHECK(memory->blocks > opened);
    CHECK(session.ground(session.encode(shapes_picture()), "red circle").token_ids == expected);
  }
  CHECK(memory->used == std::size_t(outlives.rows.size()) * sizeof(float));
  outlives = {};
  CHECK(memory->used == 0);
}

TEST_CASE("hooks: memory that the program refuses is out of memory, and the session goes on") {
  const auto memory = std::make_shared<CountingMemory>();
  SessionOptions options;
  options.threads = 1;
  options.memory = memory;
  Session session = Session::open(source("data/shapes"), options);
  memory->limit = memory->used.load();
  CHECK_THROWS_AS(session.encode(Image(756, 756)), std::bad_alloc);
  memory->limit = std::size_t{1} << 30;
  CHECK(session.ground(session.encode(shapes_picture()), "red circle").items.size() == 1);
}

TEST_CASE("hooks: what the library has to say goes to the log, a line at a time") {
  std::vector<std::string> lines;
  SessionOptions options;
  options.threads = 1;
  options.log = [&](std::string_view line) { lines.emplace_back(line); };
  Session session = Session::open(source("data/shapes"), options);
  REQUIRE(!lines.empty());
  CHECK(lines[0].starts_with("model: " + source("data/shapes") + ": bf16 weights of "));
  CHECK(lines[0].ends_with(std::string(" bytes on ") + std::string(session.ops().name()) + ", 1 thread"));
  CHECK(lines.size() == 1 + session.warnings().size());

  lines.clear();
  options.device = "auto";
  static_cast<void>(Session::open(source("data/shapes"), options));
  CHECK(lines.size() >= 1 + session.warnings().size());
}

TEST_CASE("hooks: the library prints nothing, whatever it reads") {
  const std::string output = printed([] {
    SessionOptions options;
    options.threads = 1;
    options.device = "auto";
    Session session = Session::open(source("data/shapes"), options);
    session.ground(session.encode(shapes_picture()), "red circle");
    CHECK_THROWS(Session::open("/no/such/directory"));
    for (const char* folder : {"tests/goldens/formats", "tests/fuzz/seeds/picture", "tests/goldens/jpeg"})
      for (const auto& entry : std::filesystem::recursive_directory_iterator(source(folder))) {
        if (!entry.is_regular_file()) continue;
        const std::string bytes = read_file(entry.path());
        for (const std::size_t size :
             {bytes.size(), bytes.size() / 2, bytes.size() - std::min<std::size_t>(bytes.size(), 20)})
          try {
            std::string some = bytes.substr(0, size);
            if (size == bytes.size() && size > 200)
              for (std::size_t at = 100; at < size; at += 97) some[at] = char(some[at] ^ 0x55);
            static_cast<void>(load_image(std::as_bytes(std::span(some))));
          } catch (const Error&) {
          }
      }
  });
  CHECK(output == "");
}

}  // namespace la::test
