#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include "../cli/flags.hpp"
#include "la/core/tensor.hpp"

// One machine's share of the lines, told by a flag or by what started the program.
namespace la::cli {

/// Lines index, index + count, ...
struct Shard {
  i64 index = 0, count = 1;
  std::string told_by{};  ///< for messages

  bool holds(i64 line) const noexcept { return line % count == index; }
};

namespace detail {

inline std::optional<i64> environment_number(const char* name) {
  const char* text = std::getenv(name);
  if (!text || !*text) return std::nullopt;
  return Flags::parse_number<i64>("$" + std::string(name), text, 0, i64{1} << 40);
}

/// A pair of variables, when both are there.
inline std::optional<Shard> environment_shard(const char* index, const char* count) {
  const auto i = environment_number(index), n = environment_number(count);
  if (!i || !n) return std::nullopt;
  return Shard{*i, *n, "$" + std::string(index) + " and $" + count};
}

/// The place in a Slurm array. An array with holes says no count that can be trusted.
inline std::optional<Shard> slurm_array() {
  const auto id = environment_number("SLURM_ARRAY_TASK_ID"),
             count = environment_number("SLURM_ARRAY_TASK_COUNT"),
             first = environment_number("SLURM_ARRAY_TASK_MIN"),
             last = environment_number("SLURM_ARRAY_TASK_MAX");
  if (!id || !count || !first || !last) return std::nullopt;
  const i64 step = environment_number("SLURM_ARRAY_TASK_STEP").value_or(1);
  if (step < 1 || (*last - *first) / step + 1 != *count)
    fail_usage("$SLURM_ARRAY_TASK_COUNT: expected an array without holes, found ", *count, " tasks from ",
               *first, " to ", *last, "; give --shard I/N");
  return Shard{(*id - *first) / step, *count, "$SLURM_ARRAY_TASK_ID"};
}

}  // namespace detail

/// The shard that the environment tells: Slurm array and job step (one inside the other), Open MPI, PMI, torchrun.
inline Shard environment_shard() {
  using detail::environment_shard;
  const std::optional<Shard> array = detail::slurm_array();
  std::optional<Shard> rank = environment_shard("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  if (!rank) rank = environment_shard("PMI_RANK", "PMI_SIZE");
  // Only job steps have it: in the batch script itself SLURM_NTASKS tells of tasks that srun is yet to start.
  if (!rank) rank = environment_shard("SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  if (!rank) rank = environment_shard("RANK", "WORLD_SIZE");
  if (!array) return rank.value_or(Shard{});
  if (!rank) return *array;
  return {array->index * rank->count + rank->index, array->count * rank->count,
          array->told_by + " with " + rank->told_by};
}

/// "1/4", "auto/4", "off", or nothing: what the environment tells.
inline Shard find_shard(const std::string& text) {
  if (text == "off") return {};
  Shard shard;
  const std::size_t slash = text.find('/');
  if (text.empty() || text == "auto") {
    shard = environment_shard();
    if (shard.count == 1 && detail::environment_number("JOB_COMPLETION_INDEX"))
      fail_usage("--shard: expected auto/N with $JOB_COMPLETION_INDEX, which tells no number of shards");
  } else if (slash != text.npos && text.substr(0, slash) == "auto") {
    shard = environment_shard();
    if (const auto index = detail::environment_number("JOB_COMPLETION_INDEX"))
      shard = {*index, 0, "$JOB_COMPLETION_INDEX"};
    else if (const auto task = detail::environment_number("SLURM_ARRAY_TASK_ID"))
      shard = {*task, 0, "$SLURM_ARRAY_TASK_ID"};
    shard.count = Flags::parse_number<i64>("--shard", text.substr(slash + 1), 1, 1'000'000);
  } else {
    if (slash == text.npos) fail_usage("--shard: expected I/N, auto/N or off, found '", text, "'");
    shard.index = Flags::parse_number<i64>("--shard", text.substr(0, slash), 0, 1'000'000);
    shard.count = Flags::parse_number<i64>("--shard", text.substr(slash + 1), 1, 1'000'000);
    shard.told_by = "--shard";
  }
  if (shard.index >= shard.count)
    fail_usage(shard.told_by.empty() ? "--shard" : shard.told_by, ": expected a shard from 0 to ",
               shard.count - 1, ", found ", shard.index);
  return shard;
}

/// "out.jsonl" of shard 2 of 8 is "out.shard-2-of-8.jsonl"; of the only shard it is itself.
inline std::string shard_path(const std::string& path, const Shard& shard) {
  if (shard.count == 1) return path;
  const std::string part = ".shard-" + std::to_string(shard.index) + "-of-" + std::to_string(shard.count);
  const std::size_t dot = path.rfind('.'), slash = path.rfind('/');
  if (dot == path.npos || dot == 0 || (slash != path.npos && dot <= slash + 1)) return path + part;
  return path.substr(0, dot) + part + path.substr(dot);
}

}  // namespace la::cli
