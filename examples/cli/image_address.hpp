#pragma once

#include <algorithm>
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

namespace base64 {

/// What each character stands for; -1: none of base64.
inline constexpr auto kSixBits = [] {
  std::array<std::int8_t, 256> all{};
  all.fill(-1);
  for (int i = 0; i < 26; ++i) {
    all[std::size_t('A' + i)] = std::int8_t(i);
    all[std::size_t('a' + i)] = std::int8_t(26 + i);
  }
  for (int i = 0; i < 10; ++i) all[std::size_t('0' + i)] = std::int8_t(52 + i);
  all['+'] = all['-'] = 62;
  all['/'] = all['_'] = 63;
  return all;
}();

inline int six_bits(char c) noexcept {
  return kSixBits[static_cast<unsigned char>(c)];
}

}  // namespace base64

/// The bytes that base64 stands for; blanks are skipped, and the padding may be left out.
/// error: another character, or a length that no bytes have
inline std::string decode_base64(std::string_view text) {
  text = text.substr(0, text.find('='));
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  char* to = bytes.data();
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (count % 4 == 0 && i + 4 <= text.size()) {  // four at a time, where none is a blank
      const int a = base64::six_bits(text[i]), b = base64::six_bits(text[i + 1]),
                c = base64::six_bits(text[i + 2]), d = base64::six_bits(text[i + 3]);
      if ((a | b | c | d) >= 0) {
        const int all = a << 18 | b << 12 | c << 6 | d;
        *to++ = char(all >> 16);
        *to++ = char(all >> 8 & 0xff);
        *to++ = char(all & 0xff);
        i += 4;
        continue;
      }
    }
    const char c = text[i++];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    const int six = base64::six_bits(c);
    if (six < 0) fail("expected base64, found the character '", c, "'");
    bits = bits << 6 | std::uint32_t(six);
    if (++count % 4 != 1) *to++ = char(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff);
  }
  bytes.resize(std::size_t(to - bytes.data()));
  if (count % 4 == 1) fail("expected base64, found ", bytes.size() / 3 * 4 + 1, " characters");
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
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t percent = std::min(text.find('%', i), text.size());
    out.append(text.substr(i, percent - i));
    i = percent;
    if (i + 2 < text.size() && value(text[i + 1]) >= 0 && value(text[i + 2]) >= 0) {
      out += char(value(text[i + 1]) * 16 + value(text[i + 2]));
      i += 3;
    } else if (i < text.size()) {
      out += text[i++];
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
inline std::string short_address(std::string_view address) {
  if (!is_data_uri(address)) return std::string(address);
  return std::string(address.substr(0, std::min<std::size_t>({address.find(','), address.find(';'), 64}))) +
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
