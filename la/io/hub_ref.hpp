#pragma once

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../core/error.hpp"
#include "json_write.hpp"

namespace la::inline LA_ABI::detail {

/// One step of a path that cannot lead elsewhere: letters, digits, '-', '_' and '.', but not ".." or "--" (which
/// separates the steps of a cache folder's name), nor '.' or '-' at either end.
inline bool is_hub_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const auto edge = [](char c) { return c == '.' || c == '-'; };
  return !name.empty() && name.size() <= 96 && std::all_of(name.begin(), name.end(), allowed) &&
         !edge(name.front()) && !edge(name.back()) && name.find("..") == name.npos &&
         name.find("--") == name.npos;
}

/// Whether there is something of this name. error: a place that cannot be read
inline bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status)) return true;
  if (status.type() != std::filesystem::file_type::not_found) fail(path.string(), ": ", error.message());
  return false;
}

/// Names in a directory, sorted; none when it cannot be read.
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The snapshot that a refs/main names; empty when there is no such file.
inline std::string read_hub_ref(const std::filesystem::path& path) {
  if (!is_there(path)) return "";
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(path.string(), ": ", std::generic_category().message(errno));
  std::string text(256, '\0');  // a commit's hash has 40 characters
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(in.gcount()));
  constexpr std::string_view kBlanks = " \t\r\n";
  text.erase(text.find_last_not_of(kBlanks) + 1);
  text.erase(0, text.find_first_not_of(kBlanks));
  require(is_hub_name(text), path.string(), ": expected the name of a snapshot, found ", json_quote(text));
  return text;
}

}  // namespace la::inline LA_ABI::detail
