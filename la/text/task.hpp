#pragma once

#include <string>
#include <string_view>

#include "../core/inline.hpp"
#include "prompt_text.hpp"

namespace la::inline LA_ABI {

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

/// "a, b" -> "a</c>b": the phrase for detect. Split at commas; blanks around a category and empty ones are dropped.
/// error: (usage) no category is left
std::string detect_categories(std::string_view list);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "task.cpp"
#endif
