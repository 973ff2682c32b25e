#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "prompt_text.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Without the blanks at its ends, which would become tokens that no label of the training data has.
inline std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == text.npos ? text.substr(0, 0)
                            : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace detail

/// What can be asked; the names in `parse_task` are these with hyphens.
enum class Task {
  detect,
  ground_single,
  ground_multi,
  ground_text,
  detect_text,
  ground_gui,
  point,
  point_gui
};

/// "ground-single" and so on.
std::string_view name_of(Task task) noexcept;
/// All names, separated by ", ".
std::string task_names();
/// error: (usage) no task has this name; the message lists them
Task parse_task(std::string_view name);

/// The question of a task about `phrase`, which is ignored by detect_text. A literal phrase loses the blanks at its ends
/// and cannot spell special tokens, except that `</c>` separates the categories of detect.
PromptText question(Task task, std::string_view phrase, Reading reading = Reading::literal);

/// The names in a list, each once, in order: a name that is asked for twice would end the answer. Blanks around them are
/// dropped, and empty ones.
std::vector<std::string> category_names(std::string_view list, std::string_view separator = "</c>");
/// The question of detect about these categories.
PromptText detect_question(std::span<const std::string> categories);

/// "a, b" -> "a</c>b": the phrase for detect, of the names in a list with commas.
/// error: (usage) no category is left
std::string detect_categories(std::string_view list);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "task.cpp"
#endif
