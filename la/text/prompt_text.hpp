#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// Whether text that spells an added token, such as `</c>`, means that token or just these characters.
enum class Reading { interpreted, literal };

/// A text with literal ranges. Inside a literal range no added token is looked for: `<box>` there is five characters.
class PromptText {
 public:
  struct Range {
    std::size_t begin, end;
  };

  PromptText() = default;
  explicit PromptText(std::string_view text, Reading reading = Reading::interpreted) {
    append(text, reading);
  }

  void append(std::string_view text, Reading reading = Reading::interpreted) {
    if (reading == Reading::literal && !text.empty())
      literal_.push_back({text_.size(), text_.size() + text.size()});
    text_ += text;
  }

  void append(const PromptText& other) {
    for (const Range& range : other.literal_) {
      literal_.push_back({text_.size() + range.begin, text_.size() + range.end});
    }
    text_ += other.text_;
  }

  /// The bytes [begin, end).
  PromptText slice(std::size_t begin, std::size_t end) const {
    PromptText part;
    part.text_ = text_.substr(begin, end - begin);
    for (const Range& range : literal_) {
      const std::size_t from = std::max(range.begin, begin), to = std::min(range.end, end);
      if (from < to) part.literal_.push_back({from - begin, to - begin});
    }
    return part;
  }

  const std::string& text() const noexcept { return text_; }

  /// What lies between the literal ranges, in order.
  std::vector<Range> interpreted() const {
    std::vector<Range> ranges;
    std::size_t begin = 0;
    for (const Range& range : literal_) {
      if (begin < range.begin) ranges.push_back({begin, range.begin});
      begin = range.end;
    }
    if (begin < text_.size()) ranges.push_back({begin, text_.size()});
    return ranges;
  }

 private:
  std::string text_;
  std::vector<Range> literal_;  // in order, not empty
};

}  // namespace la::inline LA_ABI
