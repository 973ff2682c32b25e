#pragma once

#include <concepts>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// Whose mistake an error is; programs turn it into their exit code (failed 1, usage 2). Of one that is
/// cancelled, nobody's: a stop was asked for.
enum class ErrorKind { failed, usage, cancelled };

namespace detail {

/// What a file says may end up in a message: control characters become '?', and of a very long text the two ends
/// stay, cut between characters of UTF-8.
inline std::string to_message(std::string text) {
  constexpr std::size_t kHead = 1400, kTail = 500;
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  if (text.size() > 2 * (kHead + kTail)) {
    std::size_t head = kHead, tail = text.size() - kTail;
    while (head > 0 && continues(head)) --head;
    while (tail < text.size() && continues(tail)) ++tail;
    text = text.substr(0, head) + " ... " + text.substr(tail);
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

}  // namespace detail

/// The one exception type of la. The message is one line of at most 4 KB: which file, which tensor or argument,
/// what was expected, what was found.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message, ErrorKind kind = ErrorKind::failed)
      : std::runtime_error(detail::to_message(std::move(message))), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
/// Numbers as in the "C" locale: what is joined here is read again, by programs and by la itself.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
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

}  // namespace la::inline LA_ABI
