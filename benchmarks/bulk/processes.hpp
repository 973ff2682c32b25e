#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "la/core/error.hpp"

extern char** environ;

// The batch program itself, in several processes on this machine.
namespace la::bulk {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline pid_t start(std::vector<std::string> command, const std::string& log) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t process = 0;
  const int failure = ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  require(failure == 0, command[0], ": could not be started");
  return process;
}

inline std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Seconds until each of these ends, in the order in which they do.
inline std::vector<double> ends(int processes, double begin, const std::string& log) {
  std::vector<double> seconds;
  for (int i = 0; i < processes; ++i) {
    int status = 0;
    ::wait(&status);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "batch failed: ", text_of(log));
    seconds.push_back(now() - begin);
  }
  return seconds;
}

struct Speed {
  double seconds = 0, idle = 0;  ///< idle: the share of all processes' time that they had nothing to do
};

/// A process a shard.
inline Speed run_shards(const std::vector<std::string>& batch, const std::string& out, int count) {
  const double begin = now();
  for (int i = 0; i < count; ++i) {
    std::vector<std::string> command = batch;
    const std::string shard = std::to_string(i) + "/" + std::to_string(count);
    command.insert(command.end(), {"--out", out, "--force", "--shard", count == 1 ? "off" : shard});
    start(std::move(command), out + ".log");
  }
  const std::vector<double> each = ends(count, begin, out + ".log");
  double busy = 0;
  for (const double seconds : each) busy += seconds;
  return {each.back(), 1 - busy / (each.back() * count)};
}

/// Ranks of MPI; idle as they count it, without the time in which models are opened.
inline Speed run_ranks(const std::vector<std::string>& batch, const std::string& out, int count) {
  std::vector<std::string> command{"mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
                                   "-np",    std::to_string(count)};
  command.insert(command.end(), batch.begin(), batch.end());
  command.insert(command.end(), {"--out", out, "--force"});
  const double begin = now();
  start(std::move(command), out + ".log");
  const double seconds = ends(1, begin, out + ".log").back();
  const std::string said = text_of(out + ".log");
  const std::size_t at = said.find(" ranks, idle ");
  return {seconds, at == said.npos ? 0 : std::stod(said.substr(at + 13)) / 100};
}

}  // namespace la::bulk
