#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "../../la/core/error.hpp"
#include "../../la/core/mapped_file.hpp"
#include "../../la/core/truncation_guard.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

const std::size_t kPage = std::size_t(::sysconf(_SC_PAGESIZE));

/// A file of three pages of 'x'.
struct ThreePages {
  ThreePages() { std::ofstream(path, std::ios::binary) << std::string(3 * kPage, 'x'); }
  void resize(std::size_t size) const { std::filesystem::resize_file(path, size); }
  TemporaryDirectory directory;
  const std::string path = directory / "three.pages";
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

int byte_at(const MappedFile& file, std::size_t at) {
  return std::to_integer<int>(*const_cast<const volatile std::byte*>(file.bytes().data() + at));
}

/// The signal that ends a child which does this; 0 when none does.
int signal_of_child(const std::function<void()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    ::sigaction(SIGBUS, &plain, nullptr);  // not a sanitizer's or the test runner's
    action();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("input file: a whole file is read, and a limit is checked first") {
  const ThreePages file;
  CHECK(read_whole_file(file.path, 3 * kPage) == std::string(3 * kPage, 'x'));
  CHECK(error_of([&] { read_whole_file(file.path, 3 * kPage - 1); }) ==
        file.path + ": expected at most " + std::to_string(3 * kPage - 1) + " bytes, found " +
            std::to_string(3 * kPage));
}

TEST_CASE("input file: what is no regular file is refused, and a FIFO is not waited for") {
  TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(error_of([&] { InputFile::open(directory / "fifo"); }) ==
        directory / "fifo: expected a regular file");
  CHECK(error_of([&] { InputFile::open(directory.str()); }) == directory.str() + ": expected a regular file");
  CHECK(error_of([&] { InputFile::open("/dev/zero"); }) == "/dev/zero: expected a regular file");
  CHECK(error_of([&] { InputFile::open(directory / "none"); }) ==
        directory / "none: No such file or directory");
}

TEST_CASE("input file: a file cut short between opening and reading is an error") {
  const ThreePages file;
  const InputFile open = InputFile::open(file.path);
  file.resize(100);
  std::string bytes(open.size(), '\0');
  const std::string message = file.path + ": expected " + std::to_string(3 * kPage) +
                              " bytes as when it was opened, found 100: it was cut short while it was in use";
  CHECK(error_of([&] { open.read(bytes.data()); }) == message);
  CHECK(error_of([&] { open.require_whole(); }) == message);
}

TEST_CASE("mapped file: an empty file has no bytes, a moved one keeps them") {
  TemporaryDirectory directory;
  std::ofstream(directory / "empty").close();
  CHECK(MappedFile::open(directory / "empty").bytes().empty());
  const ThreePages file;
  MappedFile first = MappedFile::open(file.path);
  const MappedFile second = std::move(first);
  CHECK(byte_at(second, 5) == 'x');
  CHECK_NOTHROW(second.require_whole());
}

TEST_CASE("mapped file: cut short, it says so without being touched") {
  const ThreePages file;
  const MappedFile mapped = MappedFile::open(file.path);
  file.resize(2 * kPage + 7);  // inside the last page: reading it gives zeros, and no signal
  CHECK(error_of([&] { mapped.require_whole(); }) ==
        file.path + ": expected " + std::to_string(3 * kPage) + " bytes as when it was opened, found " +
            std::to_string(2 * kPage + 7) + ": it was cut short while it was in use");
}

TEST_CASE("mapped file: cut short, touching it is a SIGBUS without a guard and an error with one") {
  const ThreePages file;
  const auto touch = [&] {
    const MappedFile mapped = MappedFile::open(file.path);
    file.resize(kPage);
    byte_at(mapped, kPage);
  };
  CHECK(signal_of_child(touch) == SIGBUS);

  file.resize(3 * kPage);
  const TruncationGuard guard;
  const MappedFile mapped = MappedFile::open(file.path);
  file.resize(kPage);
  CHECK(byte_at(mapped, kPage) == 0);
  CHECK(byte_at(mapped, 3 * kPage - 1) == 0);
  CHECK(error_of([&] { mapped.require_whole(); }).starts_with(file.path + ": expected "));
  file.resize(3 * kPage);  // as long again: what was read is still worth nothing
  CHECK(error_of([&] { mapped.require_whole(); }).find("found fewer for a while") != std::string::npos);
  CHECK_NOTHROW(MappedFile::open(file.path).require_whole());
}

TEST_CASE("mapped file: a mapping beyond the number that can be guarded is still one") {
  std::vector<detail::MappedRange*> all;
  while (detail::MappedRange* range = detail::add_mapped_range(&all, 1)) all.push_back(range);
  CHECK(all.size() > 1000);
  const ThreePages file;
  {
    const MappedFile mapped = MappedFile::open(file.path);
    CHECK(byte_at(mapped, 0) == 'x');
    CHECK_NOTHROW(mapped.require_whole());
  }
  for (detail::MappedRange* range : all) detail::remove_mapped_range(range);
}

TEST_CASE("truncation guard: it lasts until the last one goes") {
  const ThreePages file;
  const auto touch = [&](bool keep) {
    auto first = std::make_unique<TruncationGuard>(), second = std::make_unique<TruncationGuard>();
    first.reset();
    if (!keep) second.reset();
    file.resize(3 * kPage);
    const MappedFile mapped = MappedFile::open(file.path);
    file.resize(0);
    byte_at(mapped, 0);
    std::_Exit(0);
  };
  CHECK(signal_of_child([&] { touch(true); }) == 0);
  CHECK(signal_of_child([&] { touch(false); }) == SIGBUS);
}

TEST_CASE("truncation guard: a handler that the program sets later stays") {
  struct sigaction before {
  }, later{}, found{};
  ::sigaction(SIGBUS, nullptr, &before);
  {
    const la::TruncationGuard guard;
    later.sa_handler = [](int) {};
    ::sigaction(SIGBUS, &later, nullptr);
  }
  ::sigaction(SIGBUS, nullptr, &found);
  CHECK((found.sa_handler == later.sa_handler));
  ::sigaction(SIGBUS, &before, nullptr);
}

TEST_CASE("truncation guard: a SIGBUS of somebody else goes where it went before") {
  const ThreePages file;
  const auto touch_foreign_mapping = [&] {
    const TruncationGuard guard;
    file.resize(3 * kPage);
    const InputFile open = InputFile::open(file.path);
    const void* p = ::mmap(nullptr, open.size(), PROT_READ, MAP_PRIVATE, open.descriptor(), 0);
    file.resize(0);
    static_cast<void>(*static_cast<const volatile char*>(p));
    std::_Exit(0);
  };
  CHECK(signal_of_child(touch_foreign_mapping) == SIGBUS);
  CHECK(signal_of_child([&] {
          ::signal(SIGBUS, [](int) { ::raise(SIGUSR1); });
          touch_foreign_mapping();
        }) == SIGUSR1);
  CHECK(signal_of_child([&] {
          struct sigaction action {};
          action.sa_flags = SA_SIGINFO;
          action.sa_sigaction = [](int, siginfo_t*, void*) { ::raise(SIGUSR2); };
          ::sigaction(SIGBUS, &action, nullptr);
          touch_foreign_mapping();
        }) == SIGUSR2);
}

}  // namespace la::test
