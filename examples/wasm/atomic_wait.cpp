#include <atomic>
#include <climits>
#include <cstdint>

// Takes the place of that of Debian 12's libc++, which looks again and again, up to 8 ms apart: who waits for an atomic
// sleeps until it is told.

#if _LIBCPP_VERSION < 14000
_LIBCPP_BEGIN_NAMESPACE_STD

namespace {

/// What those sleep on who wait for one of the atomics that share it.
struct alignas(64) Told {
  std::int64_t times = 0;
  std::int32_t sleepers = 0;
};

Told& told(const volatile void* atomic) {
  static Told table[64];
  return table[reinterpret_cast<std::uintptr_t>(atomic) / 4 % 64];
}

void tell(const volatile void* atomic) {
  Told& one = told(atomic);
  __atomic_fetch_add(&one.times, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&one.sleepers, __ATOMIC_SEQ_CST) > 0)
    __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&one.times), UINT_MAX);
}

__cxx_contention_t times(const volatile void* atomic) {
  return __atomic_load_n(&told(atomic).times, __ATOMIC_SEQ_CST);
}

void sleep(const volatile void* atomic, __cxx_contention_t seen) {
  Told& one = told(atomic);
  __atomic_fetch_add(&one.sleepers, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_wait64(reinterpret_cast<long long*>(&one.times), seen, -1);
  __atomic_fetch_sub(&one.sleepers, 1, __ATOMIC_SEQ_CST);
}

}  // namespace

// clang-format off
void __cxx_atomic_notify_one(const volatile void* atomic) { tell(atomic); }
void __cxx_atomic_notify_all(const volatile void* atomic) { tell(atomic); }
__cxx_contention_t __libcpp_atomic_monitor(const volatile void* atomic) { return times(atomic); }
void __libcpp_atomic_wait(const volatile void* atomic, __cxx_contention_t seen) { sleep(atomic, seen); }
void __cxx_atomic_notify_one(const volatile __cxx_atomic_contention_t* atomic) { tell(atomic); }
void __cxx_atomic_notify_all(const volatile __cxx_atomic_contention_t* atomic) { tell(atomic); }
__cxx_contention_t __libcpp_atomic_monitor(const volatile __cxx_atomic_contention_t* atomic) { return times(atomic); }
void __libcpp_atomic_wait(const volatile __cxx_atomic_contention_t* atomic, __cxx_contention_t seen) { sleep(atomic, seen); }
// clang-format on

_LIBCPP_END_NAMESPACE_STD
#endif
