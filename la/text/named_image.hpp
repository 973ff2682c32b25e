#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

/// The one picture, from 0, that a question speaks of as `<image-K>` or `<image K>`; none when it names no picture or
/// several.
inline std::optional<i64> named_image(std::string_view question, i64 images) noexcept {
  constexpr std::string_view kName = "<image";
  std::optional<i64> named;
  for (std::size_t at = question.find(kName); at != question.npos; at = question.find(kName, at + 1)) {
    std::size_t digit = at + kName.size();
    if (digit >= question.size() || (question[digit] != '-' && question[digit] != ' ')) continue;
    i64 number = 0;
    for (++digit; digit < question.size() && question[digit] >= '0' && question[digit] <= '9'; ++digit)
      number = std::min<i64>(number * 10 + (question[digit] - '0'), images + 1);
    if (digit >= question.size() || question[digit] != '>' || number < 1 || number > images) continue;
    if (named && *named != number - 1) return std::nullopt;
    named = number - 1;
  }
  return named;
}

}  // namespace la::inline LA_ABI
