#include "task.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "../core/error.hpp"

namespace la {

namespace detail {

struct TaskTemplate {
  Task task;
  std::string_view name;
  std::string_view before, after;  ///< around the phrase; nothing after means that there is no phrase
};

/// In the order of Task. The grammar is that of the training data.
inline constexpr std::array<TaskTemplate, 8> kTaskTemplates{{
    {Task::detect, "detect", "Locate all the instances that matches the following description: ", "."},
    {Task::ground_single, "ground-single",
     "Locate a single instance that matches the following description: ", "."},
    {Task::ground_multi, "ground-multi",
     "Locate all the instances that match the following description: ", "."},
    {Task::ground_text, "ground-text", "Please locate the text referred as ", "."},
    {Task::detect_text, "detect-text", "Detect all the text in box format.", ""},
    {Task::ground_gui, "ground-gui", "Locate the region that matches the following description: ", "."},
    {Task::point, "point", "Point to: ", "."},
    {Task::point_gui, "point-gui", "Point to: ", "."},
}};

inline constexpr std::string_view kCategorySeparator = "</c>";

}  // namespace detail

LA_INLINE std::string_view name_of(Task task) noexcept {
  return detail::kTaskTemplates[std::size_t(task)].name;
}

LA_INLINE Task parse_task(std::string_view name) {
  std::string names;
  for (const detail::TaskTemplate& entry : detail::kTaskTemplates) {
    if (entry.name == name) return entry.task;
    names.append(names.empty() ? "" : ", ").append(entry.name);
  }
  fail_usage("task: expected one of ", names, "; found \"", name, "\"");
}

LA_INLINE PromptText question(Task task, std::string_view phrase, Reading reading) {
  const detail::TaskTemplate& entry = detail::kTaskTemplates[std::size_t(task)];
  PromptText text(entry.before);
  if (entry.after.empty()) return text;
  while (task == Task::detect) {
    const std::size_t separator = phrase.find(detail::kCategorySeparator);
    if (separator == phrase.npos) break;
    text.append(phrase.substr(0, separator), reading);
    text.append(detail::kCategorySeparator);
    phrase.remove_prefix(separator + detail::kCategorySeparator.size());
  }
  text.append(phrase, reading);
  text.append(entry.after);
  return text;
}

LA_INLINE std::string detect_categories(std::string_view list) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::string joined;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string_view category = list.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t first = category.find_first_not_of(kBlanks);
    if (first == category.npos) continue;
    category = category.substr(first, category.find_last_not_of(kBlanks) - first + 1);
    if (!joined.empty()) joined += detail::kCategorySeparator;
    joined += category;
  }
  if (joined.empty()) fail_usage("categories: expected names separated by commas, found \"", list, "\"");
  return joined;
}

}  // namespace la
