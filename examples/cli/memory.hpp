#pragma once

#include <charconv>
#include <cstdio>
#include <limits>

#include "model_flags.hpp"

// What a run will take, told before anything is loaded.
namespace la::cli {

/// "123456", "500MB" or "8GB": bytes, millions or billions of them.
inline std::size_t parse_bytes(const std::string& flag, const std::string& text) {
  std::size_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string unit(end, last);
  const std::size_t scale = unit.empty() ? 1 : unit == "MB" ? 1'000'000 : unit == "GB" ? 1'000'000'000 : 0;
  if (error != std::errc{} || number == 0 || scale == 0 ||
      number > std::numeric_limits<std::size_t>::max() / scale)
    fail_usage(flag, ": expected bytes, as 8000000000, 8000MB or 8GB, found '", text, "'");
  return number * scale;
}

inline std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", double(bytes) / 1e6);
  return text;
}

inline std::string describe(const MemoryEstimate& e) {
  return megabytes(e.total()) + ": weights " + megabytes(e.weights) + " (" + megabytes(e.loading) +
         " while they are loaded), workspace " + megabytes(e.workspace) + ", keys and values " +
         megabytes(e.kv_cache) + " (before them " + megabytes(e.encoding) +
         " while the picture is encoded), picture " + megabytes(e.image) + ", program and tokenizer " +
         megabytes(e.program);
}

inline std::string describe(const DeviceMemoryEstimate& d) {
  return megabytes(d.total()) + ": weights " + megabytes(d.weights) + ", workspace " +
         megabytes(d.workspace) + ", keys and values " + megabytes(d.kv_cache) + " (before them " +
         megabytes(d.encoding) + " while the picture is encoded), picture " + megabytes(d.image);
}

/// error: more than `most` bytes, of main memory and of a card together; 0 is no limit
inline void check_memory(const MemoryEstimate& estimate, std::size_t most) {
  const std::size_t card = estimate.device.total();
  require(most == 0 || estimate.total() + card <= most, "--max-memory: expected at most ", megabytes(most),
          ", found ", describe(estimate), card > 0 ? "; on the card " + describe(estimate.device) : "");
}

}  // namespace la::cli
