#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../cli/image_files.hpp"
#include "request_source.hpp"

namespace la::cli {

/// WebDataset archives: files that share a name up to the first dot behind the last slash are one sample, a picture
/// and, when there, `.json` with the fields of a request line and `.txt` with a phrase. Read once, in order, compressed
/// or not.
class TarRequests : public RequestSource {
 public:
  explicit TarRequests(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  std::optional<RequestText> next() override {
    for (Sample sample;;) {
      std::optional<Member> member = pending_ ? std::exchange(pending_, std::nullopt) : read_member();
      const bool ends = !member || (!sample.key.empty() && member->key != sample.key);
      if (ends && !sample.image.empty()) {
        pending_ = std::move(member);
        return request(std::move(sample));
      }
      if (!member) return std::nullopt;
      if (ends) sample = {};
      sample.key = member->key;
      take(sample, *member);
    }
  }

 private:
  struct Member {
    std::string key, extension, bytes, archive;
  };
  struct Sample {
    std::string key{}, extension{}, image{}, json{}, text{}, archive{};
  };
  struct Close {
    void operator()(archive* a) const { archive_read_free(a); }
  };

  static void take(Sample& sample, Member& member) {
    sample.archive = member.archive;
    if (member.extension == ".json") {
      sample.json = std::move(member.bytes);
    } else if (member.extension == ".txt") {
      sample.text = std::move(member.bytes);
    } else if (is_image("x" + member.extension)) {
      sample.image = std::move(member.bytes);
      sample.extension = member.extension;
    }
  }

  RequestText request(Sample sample) {
    std::string fields = "{\"image\":" + json_quote(sample.archive + "/" + sample.key + sample.extension);
    simdjson::dom::object object;
    bool asks = false, named = false;
    if (!sample.json.empty()) {
      require(parser_.parse(sample.json).get(object) == simdjson::SUCCESS, sample.archive, ": ", sample.key,
              ".json: expected a JSON object");
      asks = request_lines::asks(object);
      named = request_lines::has(object, "id");
      for (const auto& [name, value] : object)
        if (name != "image") fields += "," + json_quote(name) + ":" + simdjson::minify(value);
    }
    if (!named) fields += ",\"id\":" + json_quote(sample.key);
    while (!sample.text.empty() && std::isspace(static_cast<unsigned char>(sample.text.back())))
      sample.text.pop_back();
    if (!asks && !sample.text.empty())
      fields += ",\"task\":\"ground-single\",\"phrase\":" + json_quote(sample.text);
    return {fields + "}", std::move(sample.image), ++count_};
  }

  std::optional<Member> read_member() {
    for (;;) {
      if (!archive_ && !open()) return std::nullopt;
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) {
        archive_.reset();
        continue;
      }
      if (status < ARCHIVE_WARN) fail_here();
      if (archive_entry_filetype(entry) != AE_IFREG) continue;
      const char* name = archive_entry_pathname(entry);
      Member member = named(name ? name : "");
      if (member.key.empty()) continue;
      char piece[1 << 16];
      for (la_ssize_t got; (got = archive_read_data(archive_.get(), piece, sizeof piece)) != 0;) {
        if (got < 0) fail_here();
        member.bytes.append(piece, std::size_t(got));
        require(member.bytes.size() <= std::size_t{1} << 30, path_, ": ", name, ": expected at most 1 GiB");
      }
      return member;
    }
  }

  bool open() {
    if (next_ >= paths_.size()) return false;
    path_ = paths_[next_++];
    archive_.reset(archive_read_new());
    archive_read_support_filter_all(archive_.get());
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path_ == "-" ? nullptr : path_.c_str(), 1 << 16) !=
        ARCHIVE_OK)
      fail_here();
    return true;
  }

  [[noreturn]] void fail_here() const {
    const char* why = archive_error_string(archive_.get());
    fail(path_, ": expected a tar archive: ", why ? why : "damaged");
  }

  /// "folder/000.left.jpg" has the key "folder/000" and the extension ".left.jpg", of which the last part counts.
  Member named(const std::string& name) const {
    const std::size_t slash = name.rfind('/'), begin = slash == name.npos ? 0 : slash + 1;
    const std::size_t dot = name.find('.', begin);
    if (dot == name.npos || dot == begin) return {};
    return {name.substr(0, dot), lower_extension(name), "", path_};
  }

  std::vector<std::string> paths_;
  std::size_t next_ = 0;
  std::string path_;
  std::unique_ptr<archive, Close> archive_;
  std::optional<Member> pending_;
  simdjson::dom::parser parser_;
  i64 count_ = 0;
};

}  // namespace la::cli
