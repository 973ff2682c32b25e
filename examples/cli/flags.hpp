#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "la/core/error.hpp"

namespace la::cli {

/// Command-line flags: `--name value`, `--name=value`, or `--name` alone.
class Flags {
 public:
  using SetText = std::function<void(const std::string&)>;
  /// Flags as they were given: name and value.
  using Given = std::vector<std::pair<std::string, std::string>>;

  /// A flag with a value; of several the last counts, so that an alias of the shell can be overridden. `value` and
  /// `help` are for --help.
  void text(std::string name, std::string value, std::string help, SetText set) {
    flags_.push_back({std::move(name), std::move(value), std::move(help), std::move(set)});
  }
  /// One that may be given several times.
  void texts(std::string name, std::string value, std::string help, std::vector<std::string>& out) {
    flags_.push_back({std::move(name), std::move(value), std::move(help),
                      [&out](const std::string& v) { out.push_back(v); }});
  }
  void text(std::string name, std::string value, std::string help, std::string& out) {
    text(std::move(name), std::move(value), std::move(help), [&out](const std::string& v) { out = v; });
  }
  /// Only one value makes sense for the flags of these names: a second one is an error, not another choice.
  void allow_once(std::initializer_list<std::string_view> names) {
    for (Flag& flag : flags_) flag.once |= std::find(names.begin(), names.end(), flag.name) != names.end();
  }
  void on(std::string name, std::string help, bool& out) {
    flags_.push_back({std::move(name), "", std::move(help), [&out](const std::string&) { out = true; }});
  }
  template <class Number>
  void number(std::string name, std::string help, Number& out, Number min, Number max) {
    const std::string copy = name;
    text(std::move(name), "N", std::move(help),
         [&out, copy, min, max](const std::string& v) { out = parse_number<Number>(copy, v, min, max); });
  }

  /// Takes arguments that are no flags; without it they are errors.
  void arguments(SetText set) { argument_ = std::move(set); }

  /// error: (usage) an unknown flag, a second value for one of allow_once, a missing, empty or unexpected
  /// value, an argument that is no flag
  Given parse(int argc, char** argv) const {
    Given given;
    for (int i = 1; i < argc; ++i) {
      const std::string_view argument = argv[i];
      if (argument_ && !argument.starts_with("--")) {
        argument_(argv[i]);
        continue;
      }
      const std::size_t equals = argument.find('=');
      const Flag& flag = find(argument.substr(0, equals));
      if (flag.once &&
          std::any_of(given.begin(), given.end(), [&](auto& one) { return one.first == flag.name; }))
        fail_usage(flag.name, ": expected once, found again");
      const bool inline_value = equals != std::string_view::npos;
      std::string value(inline_value ? argument.substr(equals + 1) : "");
      if (flag.value.empty()) {
        if (inline_value) fail_usage(flag.name, ": expected no value, found '", value, "'");
      } else {
        if (!inline_value) value = next_argument(flag, ++i, argc, argv);
        if (value.empty()) fail_usage(flag.name, ": expected ", flag.value, ", found nothing");
      }
      flag.set(value);
      given.emplace_back(flag.name, value);
    }
    return given;
  }

  bool has(std::string_view name) const {
    return std::any_of(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name; });
  }
  /// As `--name value` does; a flag without a value takes "true" and "false".
  void set(std::string_view name, const std::string& value) const {
    const Flag& flag = find(name);
    if (flag.value.empty()) {
      if (value != "true" && value != "false")
        fail_usage(name, ": expected true or false, found '", value, "'");
      if (value == "true") flag.set("");
    } else {
      if (value.empty()) fail_usage(name, ": expected ", flag.value, ", found nothing");
      flag.set(value);
    }
  }

  std::string help() const {
    std::string out;
    for (const Flag& f : flags_) {
      std::string line = "  " + f.name + (f.value.empty() ? "" : " " + f.value);
      line += std::string(line.size() < 34 ? 34 - line.size() : 1, ' ');
      out += line + f.help + "\n";
    }
    return out;
  }

  template <class Number>
  static Number parse_number(const std::string& name, const std::string& text, Number min, Number max) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= min && value <= max))
      fail_usage(name, ": expected a number from ", min, " to ", max, ", found '", text, "'");
    return value;
  }

 private:
  struct Flag {
    std::string name, value, help;
    SetText set;
    bool once = false;
  };

  const Flag& find(std::string_view name) const {
    for (const Flag& flag : flags_)
      if (flag.name == name) return flag;
    if (!name.starts_with("--")) fail_usage("expected a flag, found '", name, "'; --help lists them");
    fail_usage(name, ": unknown flag; --help lists them");
  }

  /// A value that looks like a flag is more likely one whose value was forgotten.
  static std::string next_argument(const Flag& flag, int i, int argc, char** argv) {
    if (i >= argc) fail_usage(flag.name, ": expected ", flag.value, ", found the end of the line");
    const std::string_view value = argv[i];
    if (value.starts_with("--"))
      fail_usage(flag.name, ": expected ", flag.value, ", found ", value, "; if it is meant: ", flag.name,
                 "=", value);
    return std::string(value);
  }

  std::vector<Flag> flags_;
  SetText argument_;
};

}  // namespace la::cli
