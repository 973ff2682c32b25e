#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "../cli/report.hpp"
#include "la/la.hpp"
#include "sent_images.hpp"

// What GET /metrics tells, in Prometheus' text format.
namespace la::cli {

/// What is true now, beside what was counted.
struct Gauges {
  int connections = 0, under_way = 0;
  std::size_t waiting = 0, capacity = 0;
};

inline std::size_t resident_bytes() {
  std::size_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * std::size_t(::sysconf(_SC_PAGESIZE));
}

class Metrics {
 public:
  void answered(const Result& result) {
    const std::lock_guard lock(mutex_);
    generated_tokens_ += i64(result.token_ids.size());
    cancelled_ += result.stop == StopReason::cancelled;
    const std::array<double, 4> seconds{result.preprocess_seconds, result.vision_seconds,
                                        result.prefill_seconds, result.decode_seconds};
    for (std::size_t i = 0; i < seconds.size(); ++i) stage_seconds_[i] += seconds[i];
  }
  /// path: one of a fixed set, each of which is a time series
  void responded(std::string_view path, int status, double seconds) {
    const std::lock_guard lock(mutex_);
    ++requests_[{std::string(path), status}];
    total_seconds_ += seconds;
    ++buckets_[std::size_t(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin())];
  }

  std::string text(const Gauges& now, const Statistics& session, const SentImages::Counts& images,
                   std::string_view model, std::string_view isa, std::string_view weights) const {
    const std::lock_guard lock(mutex_);
    std::string out;
    const auto head = [&](std::string_view name, std::string_view type, std::string_view help) {
      out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name);
      out.append(" ").append(type).append("\n");
    };
    const auto line = [&](std::string_view name, const std::string& labels, const auto& value) {
      out.append(name).append(labels.empty() ? "" : "{" + labels + "}").append(" ");
      if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>)
        out += std::to_string(value) + "\n";
      else
        out += json_number(value) + "\n";
    };
    const auto one = [&](std::string_view name, std::string_view type, std::string_view help,
                         const auto& value) {
      head(name, type, help);
      line(name, "", value);
    };
    head("la_build_info", "gauge", "What answers: always 1.");
    line("la_build_info",
         "version=" + label(LA_VERSION) + ",model=" + label(model) + ",isa=" + label(isa) +
             ",weights=" + label(weights),
         1);
    head("la_requests_total", "counter", "Requests answered, by path and status.");
    for (const auto& [key, count] : requests_)
      line("la_requests_total", "path=" + label(key.first) + ",status=\"" + std::to_string(key.second) + "\"",
           count);
    head("la_request_seconds", "histogram", "From a request's first byte to the end of its answer.");
    i64 sum = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i)
      line("la_request_seconds_bucket",
           "le=\"" + (i < kBounds.size() ? json_number(kBounds[i]) : "+Inf") + "\"", sum += buckets_[i]);
    line("la_request_seconds_sum", "", total_seconds_);
    line("la_request_seconds_count", "", sum);
    one("la_connections", "gauge", "Connections that are served.", now.connections);
    one("la_requests_under_way", "gauge", "Questions accepted and not answered yet.", now.under_way);
    one("la_queue_waiting", "gauge", "Questions whose turn has not come.", now.waiting);
    one("la_queue_capacity", "gauge", "Questions that may wait; see --queue.", now.capacity);
    one("la_cancelled_total", "counter", "Questions whose client went away or whose time was over.",
        cancelled_);
    one("la_passes_total", "counter", "Forward passes that gave logits.", session.passes);
    one("la_rows_total", "counter", "Rows of these passes: requests that one pass advanced.", session.rows);
    one("la_rows_max", "gauge", "Most rows in one pass.", session.max_rows);
    one("la_prefill_passes_total", "counter", "Forward passes over prompts alone.", session.prefill_passes);
    one("la_waits_total", "counter", "Times a request did not fit the key/value budget at once.",
        session.waits);
    head("la_tokens_total", "counter",
         "Tokens of prompts, those of them that were computed already, and of answers.");
    line("la_tokens_total", "kind=\"prompt\"", session.prompt_tokens);
    line("la_tokens_total", "kind=\"shared\"", session.shared_tokens);
    line("la_tokens_total", "kind=\"generated\"", generated_tokens_);
    head("la_stage_seconds_total", "counter",
         "Seconds by stage, of each request: those that run together all count.");
    for (std::size_t i = 0; i < kStages.size(); ++i)
      line("la_stage_seconds_total", "stage=" + label(kStages[i]), stage_seconds_[i]);
    head("la_image_cache_total", "counter", "Pictures that were encoded already, and that were not.");
    line("la_image_cache_total", "result=\"hit\"", session.vision_hits);
    line("la_image_cache_total", "result=\"miss\"", session.vision_runs);
    head("la_image_decodes_total", "counter", "Pictures that were decoded already, and that were not.");
    line("la_image_decodes_total", "result=\"hit\"", images.hits);
    line("la_image_decodes_total", "result=\"miss\"", images.decoded);
    one("la_kv_bytes", "gauge", "Memory of keys and values.", session.kv_bytes);
    one("la_kv_peak_bytes", "gauge", "Most memory of keys and values.", session.peak_kv_bytes);
    one("la_resident_bytes", "gauge", "Memory of the process.", resident_bytes());
    one("la_resident_peak_bytes", "gauge", "Most memory of the process.", peak_rss_mb() * 1e6);
    return out;
  }

 private:
  static std::string label(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    return out + "\"";
  }

  static constexpr std::array<double, 14> kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                  1,     2.5,  5,     10,   25,  50,   100};
  static constexpr std::array<std::string_view, 4> kStages{"preprocess", "vision", "prefill", "decode"};

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, i64> requests_;
  std::array<i64, kBounds.size() + 1> buckets_{};
  double total_seconds_ = 0;
  std::array<double, 4> stage_seconds_{};
  i64 generated_tokens_ = 0, cancelled_ = 0;
};

}  // namespace la::cli
