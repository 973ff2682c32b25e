#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "answer_index.hpp"

namespace la::cli {

/// The file of answers while a run goes on. Lines are flushed one by one, in the order of their requests: one that is
/// early waits for those before it, unless they are to be written as they come. A resumed run writes behind what is
/// there; finish() brings all into the order of the requests.
class AnswerLog {
 public:
  enum class Order { of_requests, as_they_come };

  /// "-" is stdout, where lines always are in order. `index` holds what was in the file, of which more is expected
  /// behind it.
  /// error: it cannot be written
  AnswerLog(std::string path, bool append, AnswerIndex index, Order order = Order::of_requests)
      : path_(std::move(path)), index_(std::move(index)) {
    if (path_ == "-")
      file_ = STDOUT_FILENO;
    else
      file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    require(file_ >= 0, path_, ": could not be opened for writing");
    std::error_code ignored;
    regular_ = path_ != "-" && std::filesystem::is_regular_file(path_, ignored);
    if (append && regular_) whole_ = std::filesystem::file_size(path_, ignored);
    before_ = index_.entries().size();
    as_they_come_ = regular_ && order == Order::as_they_come;
    if (index_.paths().empty()) index_.read_none(path_);
  }
  AnswerLog(const AnswerLog&) = delete;
  AnswerLog& operator=(const AnswerLog&) = delete;
  ~AnswerLog() {
    if (file_ > STDOUT_FILENO) ::close(file_);
  }

  /// Whether an earlier run answered a request of this digest; each of its answers counts once.
  bool answered(std::uint64_t digest, i64 line, bool failures) {
    order_.push_back({digest, line});
    return before_ > 0 && index_.take(digest, line, failures) != nullptr;
  }

  /// error: the line did not arrive, as on a full disk; what came of it is taken back, so that the file is whole
  void put(i64 index, std::uint64_t digest, i64 number, bool failed, std::string line) {
    Line whole{digest, number, failed, std::move(line) + "\n"};
    if (as_they_come_) return write(whole);
    early_[index] = std::move(whole);
    for (auto next = early_.begin(); next != early_.end() && next->first == written_; next = early_.begin()) {
      write(next->second);
      early_.erase(next);
      ++written_;
    }
  }

  /// When a run is stopped: writes what waits for others that will not come.
  void flush_early() {
    for (const auto& [index, line] : early_) write(line);
    early_.clear();
  }

  /// When all requests were seen: brings the lines into their order. Answers to requests that are gone stay, at the end;
  /// their number.
  i64 finish() {
    if (!sorts()) return 0;
    for (const AnswerEntry& entry : added_) index_.add(entry);
    index_.reset();
    std::vector<AnswerEntry> lines;
    for (const Place& place : order_)
      if (const AnswerEntry* entry = index_.take(place.digest, place.line, true)) lines.push_back(*entry);
    const auto before = [](const Place& a, const Place& b) { return a.digest < b.digest; };
    std::sort(order_.begin(), order_.end(), before);
    const std::size_t asked = lines.size();
    for (const AnswerEntry& entry : index_.entries())
      if (!entry.used && !std::binary_search(order_.begin(), order_.end(), Place{entry.digest, 0}, before))
        lines.push_back(entry);
    std::sort(lines.begin() + std::ptrdiff_t(asked), lines.end(),
              [](const AnswerEntry& a, const AnswerEntry& b) { return a.offset < b.offset; });
    if (!in_place(lines)) rewrite(lines);
    return i64(lines.size() - asked);
  }

 private:
  struct Place {
    std::uint64_t digest;
    i64 line;  // from 1
  };
  struct Line {
    std::uint64_t digest;
    i64 number;  // of the request
    bool failed;
    std::string text;
  };

  /// Whether finish() may have to bring lines into order.
  bool sorts() const { return regular_ && (before_ > 0 || as_they_come_); }

  void write(const Line& line) {
    std::size_t done = 0;
    while (done < line.text.size()) {
      const ssize_t count = ::write(file_, line.text.data() + done, line.text.size() - done);
      if (count < 0 && errno != EINTR) give_up();
      if (count > 0) done += std::size_t(count);
    }
    if (sorts())
      added_.push_back({line.digest, whole_, std::uint32_t(line.text.size()), 0,
                        line.failed ? line.number : 0, line.failed});
    whole_ += line.text.size();
  }

  [[noreturn]] void give_up() {
    if (regular_ && ::ftruncate(file_, off_t(whole_)) != 0)
      fail(path_, ": could not be written, its end is torn");
    fail(path_ == "-" ? "stdout" : path_, ": could not be written");
  }

  bool in_place(const std::vector<AnswerEntry>& lines) const {
    std::uint64_t at = 0;
    for (const AnswerEntry& entry : lines) {
      if (entry.offset != at) return false;
      at += entry.length;
    }
    return at == whole_;
  }

  void rewrite(const std::vector<AnswerEntry>& lines) {
    PendingFile file(path_);
    LineCopier copier(index_);
    for (const AnswerEntry& entry : lines) copier.copy(entry, file);
    file.finish();
  }

  std::string path_;
  AnswerIndex index_;
  int file_ = -1;
  bool regular_ = false, as_they_come_ = false;
  std::size_t before_ = 0;
  std::uint64_t whole_ = 0;  // bytes of whole lines
  std::map<i64, Line> early_;
  i64 written_ = 0;
  std::vector<Place> order_;  // of all requests
  std::vector<AnswerEntry> added_;
};

}  // namespace la::cli
