#include "task.hpp"

#include <algorithm>
#include <cstddef>

#include "../core/error.hpp"

namespace la::inline LA_ABI {

namespace detail {

struct TaskTemplate {
  Task task;
  std::string_view name;
  std::string_view before, after;  ///< around the phrase; nothing after means that there is no phrase
};

/// In the order of Task. The grammar is that of the training data.
inline constexpr TaskTemplate kTaskTemplates[] = {
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
};

inline constexpr std::string_view kCategorySeparator = "</c>";

}  // namespace detail

LA_INLINE std::string_view name_of(Task task) noexcept {
  return detail::kTaskTemplates[std::size_t(task)].name;
}

LA_INLINE std::string task_names() {
  std::string names;
  for (const detail::TaskTemplate& entry : detail::kTaskTemplates)
    names.append(names.empty() ? "" : ", ").append(entry.name);
  return names;
}

LA_INLINE Task parse_task(std::string_view name) {
  for (const detail::TaskTemplate& entry : detail::kTaskTemplates)
    if (entry.name == name) return entry.task;
  fail_usage("task: expected one of ", task_names(), "; found \"", name, "\"");
}

LA_INLINE PromptText question(Task task, std::string_view phrase, Reading reading) {
  const detail::TaskTemplate& entry = detail::kTaskTemplates[std::size_t(task)];
  PromptText text(entry.before);
  const auto append = [&](std::string_view piece) {
    text.append(reading == Reading::literal ? detail::trim(piece) : piece, reading);
  };
  if (entry.after.empty()) return text;
  while (task == Task::detect) {
    const std::size_t separator = phrase.find(detail::kCategorySeparator);
    if (separator == phrase.npos) break;
    append(phrase.substr(0, separator));
    text.append(detail::kCategorySeparator);
    phrase.remove_prefix(separator + detail::kCategorySeparator.size());
  }
  append(phrase);
  text.append(entry.after);
  return text;
}

LA_INLINE std::vector<std::string> category_names(std::string_view list, std::string_view separator) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(separator, begin), list.size());
    const std::string name(detail::trim(list.substr(begin, end - begin)));
    begin = end + separator.size();
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.empty())
    fail_usage("categories: expected names separated by ", separator == "," ? "commas" : separator,
               ", found \"", list, "\"");
  return names;
}

LA_INLINE PromptText detect_question(std::span<const std::string> categories) {
  std::string phrase;
  for (const std::string& name : categories) {
    if (!phrase.empty()) phrase += detail::kCategorySeparator;
    phrase += name;
  }
  return question(Task::detect, phrase);
}

LA_INLINE std::string detect_categories(std::string_view list) {
  std::string joined;
  for (const std::string& name : category_names(list, ","))
    joined.append(joined.empty() ? "" : detail::kCategorySeparator).append(name);
  return joined;
}

}  // namespace la::inline LA_ABI
