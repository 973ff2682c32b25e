#pragma once

#include <string>

#include "flags.hpp"
#include "la/la.hpp"

namespace la::cli {

/// One question for every picture that brings none of its own.
struct QuestionFlags {
  std::string task, phrase, categories, query;

  void add_to(Flags& flags) {
    flags.text("--task", "NAME",
               "of pictures that bring no question [ground-single; with --categories: detect]", task);
    flags.text("--phrase", "TEXT", "what to find in them", phrase);
    flags.text("--categories", "A,B", "for --task detect", categories);
    flags.text("--query", "A</c>B", "the categories as the model reads them, in place of a task", query);
  }

  bool empty() const { return task.empty() && phrase.empty() && categories.empty() && query.empty(); }

  /// Members of a request line: `"task":"point","phrase":"a cup"`; empty when nothing is asked.
  /// error: (usage) flags that do not go together
  std::string members() const {
    if (empty()) return "";
    if (!query.empty()) {
      if (!task.empty() || !phrase.empty() || !categories.empty())
        fail_usage("--query: takes the place of --task, --phrase and --categories; give one or the other");
      return "\"query\":" + json_quote(query);
    }
    const Task what = !task.empty()        ? parse_task(task)
                      : categories.empty() ? Task::ground_single
                                           : Task::detect;
    const std::string head = "\"task\":" + json_quote(name_of(what));
    if (!categories.empty()) {
      if (what != Task::detect) fail_usage("--categories: expected --task detect, found --task ", task);
      if (!phrase.empty()) fail_usage("--categories: give --categories or --phrase, not both");
      detect_categories(categories);
      return head + ",\"categories\":" + json_quote(categories);
    }
    if (what == Task::detect_text) {
      if (!phrase.empty()) fail_usage("--phrase: --task detect-text takes none, found '", phrase, "'");
      return head;
    }
    return head + ",\"phrase\":" + json_quote(phrase.empty() ? "object" : phrase);
  }
};

}  // namespace la::cli
