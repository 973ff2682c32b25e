#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "../support.hpp"

// Programs run as people run them: arguments, environment, files, streams and an exit code.
namespace la::test {

struct Program {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment{};  ///< added to a bare one
  std::string directory = "/";                       ///< where it runs
  std::string input{};                               ///< of stdin
  std::string out_path{};                            ///< stdout goes here instead; "closed" closes it
  int interrupt_after = -1;                          ///< milliseconds until it gets SIGINT
};

struct Outcome {
  int status = -1;  ///< exit code; 128 + the signal that ended it
  std::string out, err;
  std::size_t peak_bytes = 0;  ///< of its resident memory, and at least that of the test program

  /// The last line of stderr, where a failure is told.
  std::string last_error() const {
    const std::size_t end = err.find_last_not_of('\n');
    if (end == std::string::npos) return "";
    const std::size_t before = err.find_last_of('\n', end);
    return err.substr(before == std::string::npos ? 0 : before + 1,
                      end - (before == std::string::npos ? 0 : before + 1) + 1);
  }
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Nothing of the caller's own settings: no LA_ variable, no model cache.
inline std::vector<std::string> environment_of(const Program& program, const TemporaryDirectory& scratch) {
  std::map<std::string, std::string> all{{"HOME", scratch.str()}};
  for (const char* kept : {"PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"})
    if (const char* value = std::getenv(kept)) all[kept] = value;
  for (const auto& [name, value] : program.environment) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

inline std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

inline Outcome run(Program program) {
  TemporaryDirectory scratch;
  const std::string in = scratch / "stdin", out = scratch / "stdout", err = scratch / "stderr";
  std::ofstream(in, std::ios::binary) << program.input;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  if (program.out_path == "closed")
    posix_spawn_file_actions_addclose(&actions, 1);
  else
    posix_spawn_file_actions_addopen(&actions, 1, (program.out_path.empty() ? out : program.out_path).c_str(),
                                     kWrite, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), kWrite, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, program.directory.c_str());
  std::vector<std::string> environment = environment_of(program, scratch);
  pid_t process = 0;
  // As in a shell of the foreground, whatever runs the tests.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  posix_spawnattr_setsigdefault(&attributes, &interrupt);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int failure = ::posix_spawnp(&process, program.command[0].c_str(), &actions, &attributes,
                                     pointers(program.command).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE_MESSAGE(failure == 0, program.command[0]);
  if (program.interrupt_after >= 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(program.interrupt_after));
    ::kill(process, SIGINT);
  }
  int status = 0;
  rusage usage{};
  REQUIRE(::wait4(process, &status, 0, &usage) == process);
  Outcome outcome;
  outcome.peak_bytes = std::size_t(usage.ru_maxrss) * 1024;
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (program.out_path.empty()) outcome.out = read_file(out);
  outcome.err = read_file(err);
  return outcome;
}

/// The example program of this build with these arguments.
inline Program ground_program(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), LA_BUILD_ROOT "/examples/ground");
  return {std::move(arguments)};
}

inline Outcome ground(std::vector<std::string> arguments) {
  return run(ground_program(std::move(arguments)));
}

}  // namespace la::test
