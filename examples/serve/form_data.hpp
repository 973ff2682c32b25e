#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "la/la.hpp"

// Bodies of multipart/form-data.
namespace la::cli {

/// A part of a form; its content lies in the body.
struct FormPart {
  std::string name;
  std::string_view content;
};

namespace form_data {

inline bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// The value of `; name=token` or `; name="text"` in a header's value; empty when it is not there.
inline std::string parameter(std::string_view header, std::string_view name) {
  std::size_t at = 0;
  while ((at = header.find(';', at)) != header.npos) {
    const std::size_t begin = header.find_first_not_of(" \t", at + 1), equals = header.find('=', at + 1);
    if (begin == header.npos || equals == header.npos) return "";
    const bool found = same_letters(header.substr(begin, equals - begin), name);
    std::string value;
    at = equals + 1;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size()) ++at;
        value += header[at];
      }
    } else {
      const std::size_t end = std::min(header.find_first_of("; \t", at), header.size());
      value = header.substr(at, end - at);
      at = end;
    }
    if (found) return value;
  }
  return "";
}

/// The name that the headers of a part give it.
inline std::string part_name(std::string_view headers) {
  constexpr std::string_view kDisposition = "content-disposition:";
  while (!headers.empty()) {
    const std::string_view line = headers.substr(0, headers.find("\r\n"));
    headers.remove_prefix(std::min(line.size() + 2, headers.size()));
    if (same_letters(line.substr(0, kDisposition.size()), kDisposition)) return parameter(line, "name");
  }
  return "";
}

}  // namespace form_data

inline bool is_form(std::string_view content_type) {
  constexpr std::string_view kForm = "multipart/form-data";
  return form_data::same_letters(content_type.substr(0, kForm.size()), kForm);
}

/// error: (usage) no boundary, a part that has no name or no end, too many parts
inline std::vector<FormPart> read_form(std::string_view content_type, std::string_view body) {
  constexpr std::size_t kMaxParts = 64, kMaxHeader = 8192, kMaxBoundary = 200;
  const std::string boundary = form_data::parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kMaxBoundary)
    fail_usage("Content-Type: expected multipart/form-data with a boundary");
  const std::string dashes = "--" + boundary, delimiter = "\r\n" + dashes;
  std::vector<FormPart> parts;
  std::size_t at = body.starts_with(dashes) ? dashes.size() : body.find(delimiter);
  if (at == body.npos) fail_usage("form: expected the boundary of its Content-Type, found none");
  if (!body.starts_with(dashes)) at += delimiter.size();
  while (body.substr(at, 2) != "--") {
    const std::size_t line = body.find_first_not_of(" \t", at);
    if (line == body.npos || body.substr(line, 2) != "\r\n")
      fail_usage("form: expected the end of a line after a boundary");
    // The empty line may follow at once: a part without headers.
    const std::size_t blank = body.substr(0, line + kMaxHeader).find("\r\n\r\n", line);
    if (blank == body.npos)
      fail_usage("form: expected headers of at most ", kMaxHeader, " bytes and an empty line");
    const std::size_t begin = blank + 4, end = body.find(delimiter, blank + 2);
    if (end == body.npos) fail_usage("form: expected a boundary after each part, found the end");
    FormPart part{form_data::part_name(body.substr(line + 2, std::max(blank, line + 2) - line - 2)),
                  end < begin ? std::string_view() : body.substr(begin, end - begin)};
    if (part.name.empty()) fail_usage("form: expected a name for each part");
    parts.push_back(std::move(part));
    if (parts.size() > kMaxParts) fail_usage("form: expected at most ", kMaxParts, " parts");
    at = end + delimiter.size();
  }
  return parts;
}

}  // namespace la::cli
