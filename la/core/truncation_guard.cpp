#include "truncation_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "mapped_ranges.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// What the guards of a process share.
struct TruncationHandler {
  std::mutex mutex;
  std::atomic<int> guards = 0;
  struct sigaction before {};
  std::uintptr_t page = 4096;
};

inline TruncationHandler truncation_handler;

/// Zeros from the page of `address` to the end of its mapping: behind a file's end there is nothing to be read.
/// Async-signal-safe: atomics and a system call.
inline bool replace_lost_pages(std::uintptr_t address) noexcept {
  MappedRange* range = find_mapped_range(address);
  if (!range) return false;
  const std::uintptr_t page = truncation_handler.page, begin = address / page * page,
                       end = (range->end + page - 1) / page * page;
  const void* zeros = ::mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  if (zeros == MAP_FAILED) return false;
  range->cut = true;
  return true;
}

inline void on_bus_error(int signal, siginfo_t* info, void* context) {
  static thread_local volatile bool handling = false;  // by a handler before ours that calls ours in turn
  const int saved = errno;
  const bool replaced = truncation_handler.guards > 0 && info->si_code == BUS_ADRERR &&
                        replace_lost_pages(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = saved;
  if (replaced) return;
  const struct sigaction& before = truncation_handler.before;
  const bool siginfo = before.sa_flags & SA_SIGINFO;
  if (!handling && (siginfo || (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))) {
    handling = true;
    siginfo ? before.sa_sigaction(signal, info, context) : before.sa_handler(signal);
    handling = false;
    return;
  }
  ::signal(SIGBUS, SIG_DFL);  // the access is tried again and ends the process, as it would have
}

inline bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == on_bus_error;
}

}  // namespace detail

LA_INLINE TruncationGuard::TruncationGuard() {
  detail::TruncationHandler& handler = detail::truncation_handler;
  const std::lock_guard lock(handler.mutex);
  if (handler.guards++ > 0) return;
  handler.page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = detail::on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  struct sigaction current {};
  ::sigaction(SIGBUS, nullptr, &current);
  if (detail::is_ours(current)) return;  // a later handler has put ours back
  ::sigaction(SIGBUS, &action, &handler.before);
}

LA_INLINE TruncationGuard::~TruncationGuard() {
  detail::TruncationHandler& handler = detail::truncation_handler;
  const std::lock_guard lock(handler.mutex);
  if (--handler.guards > 0) return;
  struct sigaction current {};
  ::sigaction(SIGBUS, nullptr, &current);
  // A handler that the program has set since stays; it may call ours, which then hands on what came before it.
  if (detail::is_ours(current)) ::sigaction(SIGBUS, &handler.before, nullptr);
}

}  // namespace la::inline LA_ABI
