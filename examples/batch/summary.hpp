#pragma once

#include <array>
#include <ostream>
#include <string>

#include "answer_line.hpp"

namespace la::cli {

/// Counts what became of the lines.
struct Summary {
  std::array<i64, kOutcomes> count{};
  i64 malformed = 0;  ///< answers of which pieces were skipped
  i64 before = 0;     ///< answered by an earlier run
  i64 foreign = 0;    ///< answers in the file whose requests are gone

  void add(Outcome outcome, bool skipped) {
    ++count[std::size_t(outcome)];
    malformed += skipped;
  }
  i64 of(Outcome outcome) const { return count[std::size_t(outcome)]; }
  i64 failed() const { return of(Outcome::bad_request) + of(Outcome::bad_image) + of(Outcome::failed); }
  i64 answered() const {
    return of(Outcome::found) + of(Outcome::none) + of(Outcome::truncated) + of(Outcome::looped);
  }
  bool all_failed() const { return failed() > 0 && answered() == 0 && before == 0; }

  /// "8 answered (1 with nothing found, 2 truncated), 3 failed (2 pictures, 1 request), 4 answered before; 1.2 s"
  void print(std::ostream& out, double seconds) const {
    out << answered() << " answered";
    list(out, {{of(Outcome::none), "with nothing found"},
               {of(Outcome::truncated), "truncated"},
               {of(Outcome::looped), "looped"},
               {malformed, "malformed"}});
    out << ", " << failed() << " failed";
    list(out, {{of(Outcome::bad_request), "by the request"},
               {of(Outcome::bad_image), "by the picture"},
               {of(Outcome::failed), "by the answer"}});
    if (before > 0) out << ", " << before << " answered before";
    if (foreign > 0) out << ", " << foreign << " kept at the end whose requests are gone";
    out << "; " << seconds << " s\n";
  }

 private:
  static void list(std::ostream& out, std::initializer_list<std::pair<i64, const char*>> parts) {
    const char* before = " (";
    for (const auto& [number, what] : parts)
      if (number > 0) out << std::exchange(before, ", ") << number << " " << what;
    if (*before == ',') out << ")";
  }
};

}  // namespace la::cli
