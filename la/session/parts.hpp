#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "../image/draw.hpp"
#include "scheduler.hpp"

namespace la::inline LA_ABI {

/// Stands between the source of requests and a scheduler: a request about tiles, or about more categories than one
/// question asks for, becomes several that run beside all others, and their answers become one, see join_items. Any
/// other request passes as it is. Pictures are cut when their turn comes.
class Parts {
 public:
  Parts(const LiveSource& source, const BatchOptions& options, const Scheduler::Sink& sink)
      : source_(source), options_(options), sink_(sink) {}

  /// The next part, or why the source gave no request.
  NextRequest next(Wait wait);
  /// With the numbers of parts, in the order in which next() gave them.
  void found(i64 part, const Item& item) const;
  void ended(i64 part, Sequence::Outcome&& outcome);

 private:
  /// A request and what became of its parts: all groups of categories of one view, then of the next.
  struct Whole {
    i64 index = 0;
    Request request;
    std::vector<Rect> views;
    std::vector<std::vector<std::string>> groups;  // one empty group for any other question
    std::vector<Sequence::Outcome> outcomes;
    std::size_t asked = 0, ended = 0;

    std::size_t parts() const noexcept { return views.size() * groups.size(); }
  };
  struct Running {
    std::shared_ptr<Whole> whole;
    std::size_t part;
  };

  void divide(Whole& whole) const;
  Request request_of(Whole& whole, std::size_t part) const;
  Sequence::Outcome join(Whole& whole) const;

  const LiveSource& source_;
  const BatchOptions& options_;
  const Scheduler::Sink& sink_;
  std::shared_ptr<Whole> open_;  // whose parts are being given out
  std::map<i64, Running> running_;
  i64 pulled_ = 0, given_ = 0;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "parts.cpp"
#endif
