#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "digest.hpp"
#include "la/la.hpp"

// What a line of requests may give as its picture: a path, `file://`, `data:`.
namespace la::cli {

/// The bytes that base64 stands for; blanks are skipped, and the padding may be left out.
/// error: another character, or a length that no bytes have
inline std::string decode_base64(std::string_view text) {
  const auto value = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
  };
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t end = text.find('=');
  for (const char c : text.substr(0, end)) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    const int six = value(c);
    if (six < 0) fail("expected base64, found the character '", c, "'");
    bits = bits << 6 | std::uint32_t(six);
    if (++count % 4 != 1) bytes += char(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff);
  }
  if (count % 4 == 1) fail("expected base64, found ", count, " characters");
  return bytes;
}

/// "%20" is a blank.
inline std::string decode_percent(std::string_view text) {
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && value(text[i + 1]) >= 0 && value(text[i + 2]) >= 0) {
      out += char(value(text[i + 1]) * 16 + value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

inline bool is_data_uri(std::string_view address) {
  return address.starts_with("data:");
}

/// The bytes of a `data:` URI.
/// error: it has no comma or is no base64
inline std::string decode_data_uri(std::string_view uri) {
  const std::size_t comma = uri.find(',');
  if (comma == uri.npos) fail("data: URI: expected a comma before the data, found none");
  const std::string_view data = uri.substr(comma + 1);
  try {
    return uri.substr(0, comma).ends_with(";base64") ? decode_base64(decode_percent(data))
                                                     : decode_percent(data);
  } catch (const Error& error) {
    fail("data: URI: ", error.what());
  }
}

/// What stands for an address in answers: of a `data:` URI its type and a digest.
inline std::string short_address(const std::string& address) {
  if (!is_data_uri(address)) return address;
  return address.substr(0, std::min<std::size_t>({address.find(','), address.find(';'), 64})) +
         ";digest=" + hex(digest_of(address));
}

/// The file that an address names. A relative path is looked for in `folder` first, then where the program runs.
/// error: a web address
inline std::string image_path(const std::string& address, const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  if (address.starts_with("http://") || address.starts_with("https://"))
    fail(address,
         ": expected a file, file:// or data: URI, found a web address; pictures are not downloaded");
  if (address.starts_with("file://")) {
    std::string path = address.substr(7);
    if (path.starts_with("localhost/")) path.erase(0, 9);
    if (!path.starts_with("/")) fail(address, ": expected file:///PATH");
    return decode_percent(path);
  }
  std::error_code ignored;
  const fs::path beside = folder / address;
  return fs::exists(beside, ignored) ? beside.string() : address;
}

inline Image decode_image_text(const std::string& bytes, const std::string& name,
                               const LoadOptions& options) {
  return decode_image(std::as_bytes(std::span(bytes)), name, options);
}

/// The picture of an address; `bytes` are its file where it came with the line.
/// error: as image_path, decode_data_uri, load_image
inline Image load_address(const std::string& address, const std::string& bytes,
                          const std::filesystem::path& folder, const LoadOptions& options) {
  if (!bytes.empty()) return decode_image_text(bytes, address, options);
  if (is_data_uri(address)) return decode_image_text(decode_data_uri(address), "data: URI", options);
  return load_image(image_path(address, folder), options);
}

}  // namespace la::cli
