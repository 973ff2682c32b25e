#pragma once

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "answer_index.hpp"
#include "open_source.hpp"
#include "outputs.hpp"

namespace la::cli {

/// The files of shards beside OUT: all of one count.
/// error: none, or of several counts
inline std::vector<std::string> find_shards(const std::string& out) {
  const std::string pattern = shard_path(out, {0, 2, ""});
  const std::size_t at = pattern.find(".shard-0-of-2");
  const std::string before = pattern.substr(0, at + 7), after = pattern.substr(at + 13);
  std::string quoted;
  for (const char c : before) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') quoted += '\\';
    quoted += c;
  }
  std::vector<std::string> paths = glob_paths(quoted + "*-of-*" + after);
  require(!paths.empty(), out, ": expected files of shards beside it, found none");
  i64 count = 0;
  for (const std::string& path : paths) {
    const std::string numbers = path.substr(before.size(), path.size() - before.size() - after.size());
    const i64 of = std::atoll(numbers.c_str() + numbers.find("-of-") + 4);
    if (count == 0) count = of;
    require(of == count, out, ": expected shards of one count, found of ", count, " and of ", of,
            "; name the files");
  }
  return paths;
}

/// Joins the answers of shards into the file that one run over all requests would have written.
/// error: answers that are missing, which are named; answers of different models or options, without --force
inline void merge_shards(const BatchFlags& flags, const LineDefaults& defaults) {
  const std::vector<std::string> shards =
      flags.shard_files.empty() ? find_shards(flags.answers_path()) : flags.shard_files;
  AnswerIndex index;
  for (const std::string& shard : shards) index.read(shard, false);
  if (!index.stamps().empty()) check_stamps(index, index.stamps()[0].text, flags.force);

  const auto source = open_source(flags);
  simdjson::dom::parser parser;
  PendingFile file(flags.answers_path());
  LineCopier copier(index);
  i64 lines = 0, missing = 0, failed = 0;
  std::string first;
  while (const std::optional<RequestText> request = source->next()) {
    const RequestLine line = read_request(parser, *request, defaults);
    ++lines;
    if (const AnswerEntry* entry = index.take(line.digest, line.number, true)) {
      failed += entry->failed;
      copier.copy(*entry, file);
      continue;
    }
    if (missing++ < 5) first += (first.empty() ? "" : ", ") + std::to_string(line.number);
  }
  require(missing == 0, flags.answers_path(), ": not written: of ", lines, " lines ", missing,
          " have no answer in ", shards.size(), " shards: line ", first, missing > 5 ? " and others" : "");
  const auto unused = std::count_if(index.entries().begin(), index.entries().end(),
                                    [](const AnswerEntry& e) { return !e.used && !e.failed; });
  file.finish();
  std::cerr << lines << " answers of " << shards.size() << " shards, " << failed << " of them failed";
  if (unused > 0) std::cerr << ", " << unused << " left out whose requests are gone";
  std::cerr << "\n";
}

}  // namespace la::cli
