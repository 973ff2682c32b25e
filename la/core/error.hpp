#pragma once

#include <concepts>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace la {

/// Whose mistake an error is; programs turn it into their exit code (failed 1, usage 2).
enum class ErrorKind { failed, usage };

/// The one exception type of la. The message is one line: which file, which tensor or argument, what was
/// expected, what was found.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ErrorKind kind = ErrorKind::failed)
      : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // else a stream that gets no memory drops the rest of the text
  (out << ... << parts);
  return out.str();
}
}  // namespace detail

/// Throws Error with the parts joined: `fail(path, ": expected ", n, " bytes, found ", m)`.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(detail::concat(parts...));
}

/// The same for a caller's mistake in arguments or flags.
template <class... Parts>
[[noreturn]] void fail_usage(const Parts&... parts) {
  throw Error(detail::concat(parts...), ErrorKind::usage);
}

/// Throws Error with the parts joined unless `ok`.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) fail(parts...);
}

}  // namespace la
