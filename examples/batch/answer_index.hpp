#pragma once

#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "la/core/pending_file.hpp"
#include "la/la.hpp"

// Answers of earlier runs and of shards, found by the digest of their requests.
namespace la::cli {

/// The digest that an answer has in it; nothing for what is no answer.
inline std::optional<std::uint64_t> digest_field(simdjson::dom::object answer) {
  std::string_view text;
  std::uint64_t digest = 0;
  if (answer.at_key("digest").get(text) != simdjson::SUCCESS || text.size() != 16) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 16, digest, 16);
  if (error != std::errc{} || end != text.data() + 16) return std::nullopt;
  return digest;
}

/// Where an answer stands. 40 bytes a line.
struct AnswerEntry {
  std::uint64_t digest, offset;
  std::uint32_t length, file;  ///< the line break counts
  i64 line;                    ///< of the request, where it failed; else 0
  bool failed, used = false;
};

class AnswerIndex {
 public:
  /// Reads a file of answers. What its writer was killed in the middle of is cut off the file if `cut`.
  /// error: it cannot be read; a whole line that is no answer: the file is something else
  void read(const std::string& path, bool cut) {
    std::ifstream file(path, std::ios::binary);
    require(file.good(), path, ": could not be opened");
    simdjson::dom::parser parser;
    std::uint64_t whole = 0;
    i64 number = 0;
    for (std::string text; std::getline(file, text) && !file.eof();) {  // at the end: no newline, torn
      ++number;
      simdjson::dom::object answer;
      std::optional<std::uint64_t> digest;
      if (parser.parse(text).get(answer) == simdjson::SUCCESS) digest = digest_field(answer);
      require(digest.has_value(), path, ": line ", number,
              ": expected an answer of an earlier run, found something else; it is left as it is");
      const bool failed = answer.at_key("error").error() == simdjson::SUCCESS;
      std::int64_t line = 0;
      if (!failed)
        note_stamp(answer, path, number);
      else if (answer.at_key("line").get(line) != simdjson::SUCCESS)
        line = 0;
      add({*digest, whole, std::uint32_t(text.size() + 1), std::uint32_t(paths_.size()), line, failed});
      whole += text.size() + 1;
    }
    require(!file.bad(), path, ": could not be read behind line ", number);
    file.close();
    if (cut && std::filesystem::file_size(path) > whole) std::filesystem::resize_file(path, whole);
    paths_.push_back(path);
  }
  /// A file whose answers are added one by one.
  void read_none(const std::string& path) { paths_.push_back(path); }

  void add(const AnswerEntry& entry) {
    entries_.push_back(entry);
    sorted_ = false;
  }
  /// All are there to be taken again.
  void reset() {
    for (AnswerEntry& entry : entries_) entry.used = false;
  }

  /// An answer to the request of this digest that was not taken yet; of failures, only if asked for, the latest, of
  /// this line of the requests where there is one: failures tell their lines.
  const AnswerEntry* take(std::uint64_t digest, i64 line, bool failures) {
    sort();
    auto [entry, end] = range(digest);
    AnswerEntry* failure = nullptr;
    for (; entry != end; ++entry) {
      if (entry->used) continue;
      if (entry->failed) {
        if (!failure || entry->line == line || failure->line != line) failure = &*entry;
        continue;
      }
      entry->used = true;
      return &*entry;
    }
    if (!failures || !failure) return nullptr;
    failure->used = true;
    return failure;
  }

  bool has(std::uint64_t digest) {
    sort();
    const auto [begin, end] = range(digest);
    return begin != end;
  }

  std::vector<AnswerEntry>& entries() noexcept { return entries_; }
  const std::vector<std::string>& paths() const noexcept { return paths_; }

  /// Distinct models and options of the answers, each with the place of the first: "FILE: line N: MODEL OPTIONS".
  struct Stamp {
    std::string text, where;
  };
  const std::vector<Stamp>& stamps() const noexcept { return stamps_; }

 private:
  void note_stamp(simdjson::dom::object answer, const std::string& path, i64 number) {
    simdjson::dom::element model, options;
    std::string text;
    if (answer.at_key("model").get(model) == simdjson::SUCCESS) text = "\"model\":" + simdjson::minify(model);
    if (answer.at_key("options").get(options) == simdjson::SUCCESS)
      text += ",\"options\":" + simdjson::minify(options);
    for (const Stamp& stamp : stamps_)
      if (stamp.text == text) return;
    stamps_.push_back({text, path + ": line " + std::to_string(number)});
  }

  void sort() {
    if (sorted_) return;
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const AnswerEntry& a, const AnswerEntry& b) { return a.digest < b.digest; });
    sorted_ = true;
  }

  std::pair<std::vector<AnswerEntry>::iterator, std::vector<AnswerEntry>::iterator> range(
      std::uint64_t digest) {
    const auto begin = std::lower_bound(entries_.begin(), entries_.end(), digest,
                                        [](const AnswerEntry& e, std::uint64_t d) { return e.digest < d; });
    auto end = begin;
    while (end != entries_.end() && end->digest == digest) ++end;
    return {begin, end};
  }

  std::vector<AnswerEntry> entries_;
  std::vector<std::string> paths_;
  std::vector<Stamp> stamps_;
  bool sorted_ = true;
};

/// error: answers that another model or other options made, unless `force`
inline void check_stamps(const AnswerIndex& index, const std::string& wanted, bool force) {
  for (const AnswerIndex::Stamp& stamp : index.stamps()) {
    if (stamp.text == wanted || force) continue;
    fail(stamp.where, ": expected an answer made with ", wanted, ", found ", stamp.text,
         "; --force goes on all the same");
  }
}

/// Copies lines out of the files of an index.
class LineCopier {
 public:
  explicit LineCopier(const AnswerIndex& index) : paths_(index.paths()), files_(paths_.size(), -1) {}
  LineCopier(const LineCopier&) = delete;
  LineCopier& operator=(const LineCopier&) = delete;
  ~LineCopier() {
    for (const int file : files_)
      if (file >= 0) ::close(file);
  }

  /// error: the file cannot be read any more
  void copy(const AnswerEntry& entry, PendingFile& to) {
    int& file = files_[entry.file];
    if (file < 0) file = ::open(paths_[entry.file].c_str(), O_RDONLY | O_CLOEXEC);
    line_.resize(entry.length);
    const ssize_t got = file < 0 ? -1 : ::pread(file, line_.data(), line_.size(), off_t(entry.offset));
    require(got == ssize_t(entry.length), paths_[entry.file], ": could not be read again");
    to.write(line_.data(), line_.size());
  }

 private:
  std::vector<std::string> paths_;
  std::vector<int> files_;
  std::string line_;
};

}  // namespace la::cli
