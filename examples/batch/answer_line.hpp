#pragma once

#include <filesystem>
#include <string>

#include "../cli/report.hpp"
#include "../cli/request_lines.hpp"

// The lines that come out of the batch program.
namespace la::cli {

/// What became of a line.
enum class Outcome { found, none, truncated, looped, bad_request, bad_image, failed };
inline constexpr int kOutcomes = 7;

inline bool is_failure(Outcome outcome) noexcept {
  return outcome >= Outcome::bad_request;
}

inline Outcome outcome_of(const Result& result) {
  if (result.truncated()) return Outcome::truncated;
  if (result.stop == StopReason::loop) return Outcome::looped;
  for (const Item& item : result.items)
    if (item.kind != Item::Kind::none) return Outcome::found;
  return Outcome::none;
}

/// One line: the request's fields and its answer. No timings are in it, so the same requests give the same lines.
/// `stamp`: members that tell who answered, `"model":{...},"options":{...}`
inline std::string answer_line(const RequestLine& request, const Result& result, const std::string& stamp) {
  std::string line = "{" + request.fields;
  const std::string digest = ",\"digest\":\"" + hex(request.digest) + "\"";
  if (!result.ok())
    return line + "\"line\":" + std::to_string(request.number) + ",\"error\":" + json_quote(result.error) +
           digest + "}";
  line += "\"raw_response\":" + json_quote(result.answer) + ",\"items\":" + json_items(result.items) + "," +
          json_warnings(result);
  line += ",\"stats\":{\"width\":" + std::to_string(result.width) +
          ",\"height\":" + std::to_string(result.height) + ",\"mode\":\"" +
          name_of(request.ask.generation.mode) + "\",\"stop\":\"" + name_of(result.stop) +
          "\",\"prompt_tokens\":" + std::to_string(result.prompt_tokens) +
          ",\"tokens\":" + std::to_string(result.token_ids.size()) +
          ",\"forward_steps\":" + std::to_string(result.forward_steps) +
          ",\"switches_to_ar\":" + std::to_string(result.switches_to_ar) +
          ",\"drafted\":" + std::to_string(result.drafted) +
          ",\"accepted\":" + std::to_string(result.accepted) + "}";
  return line + digest + "," + stamp + "}";
}

}  // namespace la::cli
