#pragma once

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <ostream>
#include <string>
#include <type_traits>

#include "la/la.hpp"
#include "model_flags.hpp"

// What the programs print about an answer.
namespace la::cli {

inline double peak_rss_mb() {
#if defined(__wasm__)
  return double(__builtin_wasm_memory_size(0)) * 65536 / 1e6;  // it never shrinks
#else
  // The system looks at each thread for it: a server with many asks no more often than every tenth of a second.
  using Clock = std::chrono::steady_clock;
  static std::atomic<Clock::rep> next{std::numeric_limits<Clock::rep>::min()};
  static std::atomic<double> known{0};
  const Clock::rep now = Clock::now().time_since_epoch().count();
  if (now >= next) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    known = double(usage.ru_maxrss) * 1024 / 1e6;  // Linux counts in KiB
    next = now + Clock::duration(std::chrono::milliseconds(100)).count();
  }
  return known;
#endif
}

template <class Range>
std::string json_array(const Range& values, std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ",";
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(values[i])>>)
      out += std::to_string(values[i]);
    else
      out += json_number(values[i]);
  }
  return out + "]";
}

inline std::string json_item(const Item& item) {
  std::string out = "{\"label\":" + json_quote(item.label);
  switch (item.kind) {
    case Item::Kind::box:
      out += ",\"kind\":\"box\",\"box_1000\":" + json_array(item.box_1000, 4) +
             ",\"box\":" + json_array(item.box, 4);
      break;
    case Item::Kind::point:
      out += ",\"kind\":\"point\",\"box_1000\":" + json_array(item.box_1000, 2) +
             ",\"point\":" + json_array(item.point, 2);
      break;
    case Item::Kind::none:
      out += ",\"kind\":\"none\"";
      break;
  }
  return out + ",\"score\":" + json_number(item.score) + ",\"label_score\":" + json_number(item.label_score) +
         "}";
}

inline std::string json_items(const std::vector<Item>& items) {
  std::string out = "[";
  for (const Item& item : items) {
    if (&item != items.data()) out += ",";
    out += json_item(item);
  }
  return out + "]";
}

inline std::string json_texts(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out.append(&text == texts.data() ? "" : ",").append(json_quote(text));
  return out + "]";
}

/// What must not get lost: pieces of the answer that were skipped, and whether the length limit cut it.
inline std::string json_warnings(const Result& a) {
  return "\"warnings\":" + json_texts(a.warnings) + ",\"truncated\":" + (a.truncated() ? "true" : "false");
}

struct Report {
  const std::string& image_path;
  const EncodedImage& image;
  const Session& session;
  std::string_view isa;
  Mode mode;
  double load_seconds;
  std::string model;  ///< see model_json
};

/// One object on one line.
inline void print_json(const Report& r, const Result& a, std::ostream& out) {
  out << "{\"image\":" << json_quote(r.image_path) << ",\"width\":" << r.image.width
      << ",\"height\":" << r.image.height << ",\"grid\":[" << r.image.grid_h << "," << r.image.grid_w
      << "],\"query\":" << json_quote(a.query) << ",\"mode\":\"" << name_of(r.mode)
      << "\",\"answer\":" << json_quote(a.answer)
      << ",\"token_ids\":" << json_array(a.token_ids, a.token_ids.size())
      << ",\"items\":" << json_items(a.items) << "," << json_warnings(a) << ",\"stop\":\"" << name_of(a.stop)
      << "\",\"forward_steps\":" << a.forward_steps << ",\"switches_to_ar\":" << a.switches_to_ar
      << ",\"stats\":{\"drafted\":" << a.drafted << ",\"accepted\":" << a.accepted
      << ",\"passes\":" << a.forward_steps << "}"
      << ",\"seconds\":{\"load\":" << json_number(r.load_seconds)
      << ",\"preprocess\":" << json_number(r.image.preprocess_seconds)
      << ",\"vision\":" << json_number(r.image.vision_seconds)
      << ",\"prefill\":" << json_number(a.prefill_seconds) << ",\"decode\":" << json_number(a.decode_seconds)
      << "},\"tokens_per_second\":" << json_number(a.tokens_per_second)
      << ",\"peak_rss_mb\":" << json_number(peak_rss_mb()) << ",\"isa\":" << json_quote(r.isa)
      << ",\"model\":" << r.model << ",\"weights\":" << json_quote(r.session.weight_format())
      << ",\"activations\":" << json_quote(r.session.activation_format()) << "}" << std::endl;
}

/// A label on one line: a control character in it becomes a blank.
inline std::string one_line(std::string label) {
  for (char& c : label)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return label.empty() ? "(no label)" : label;
}

/// One line an item, for people.
inline void print_text(const Result& a, std::ostream& out) {
  if (a.items.empty()) out << "nothing found\n";
  for (const Item& item : a.items) {
    char line[160];
    switch (item.kind) {
      case Item::Kind::box:
        std::snprintf(line, sizeof line, "box %.1f %.1f %.1f %.1f score %.3f", double(item.box[0]),
                      double(item.box[1]), double(item.box[2]), double(item.box[3]), double(item.score));
        break;
      case Item::Kind::point:
        std::snprintf(line, sizeof line, "point %.1f %.1f score %.3f", double(item.point[0]),
                      double(item.point[1]), double(item.score));
        break;
      case Item::Kind::none:
        std::snprintf(line, sizeof line, "none score %.3f", double(item.score));
        break;
    }
    out << one_line(item.label) << ": " << line << "\n";
  }
  out << std::flush;
}

inline void print_timings(const Report& r, const Result& a, std::ostream& out) {
  char line[400];
  std::snprintf(line, sizeof line,
                "load %.3f s, preprocess %.3f s, vision %.3f s (%lld patches), prefill %.3f s (%lld tokens), "
                "decode %.3f s (%lld tokens, %lld passes, %.1f tokens/s), stop %s, peak %.0f MB\n",
                r.load_seconds, r.image.preprocess_seconds, r.image.vision_seconds,
                static_cast<long long>(r.image.grid_h * r.image.grid_w), a.prefill_seconds,
                static_cast<long long>(a.prompt_tokens), a.decode_seconds,
                static_cast<long long>(a.token_ids.size()), static_cast<long long>(a.forward_steps),
                a.tokens_per_second, name_of(a.stop), peak_rss_mb());
  out << line;
  for (const std::string& warning : a.warnings) out << "warning: " << warning << "\n";
}

/// error: what was printed did not arrive, as on a full disk or a closed stream
inline void check_written(std::ostream& out) {
  out.flush();
  require(out.good(), "stdout: could not be written");
}

inline Mark to_mark(const Item& item) {
  Mark mark;
  mark.label = item.label;
  mark.score = item.score;
  mark.kind = item.kind == Item::Kind::box     ? MarkKind::box
              : item.kind == Item::Kind::point ? MarkKind::point
                                               : MarkKind::none;
  if (item.kind == Item::Kind::box) mark.at = item.box;
  if (item.kind == Item::Kind::point) mark.at = {item.point[0], item.point[1], 0, 0};
  return mark;
}

}  // namespace la::cli
