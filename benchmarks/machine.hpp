#pragma once

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/dispatch.hpp"
#include "la/core/error.hpp"
#include "la/core/storage.hpp"
#include "peak/peak.hpp"

// What this machine can do, measured beside the kernels.
namespace la::bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

inline peak::Probes probes_of(std::string_view isa) {
  kernels::select_isa(isa);  // asks for the permission that AMX's probe needs
#if defined(__x86_64__)
  if (isa == "avx2") return peak::avx2();
  if (isa == "avxvnni") return peak::avxvnni();
  if (isa == "avx512") return peak::avx512();
  if (isa == "avx512vnni") return peak::avx512vnni();
  if (isa == "amx") return peak::amx();
#elif defined(__aarch64__)
  if (isa == "neon") return peak::neon();
  if (isa == "neondot") return peak::neondot();
  if (isa == "neoni8mm") return peak::neoni8mm();
#endif
  return peak::scalar();
}

/// The probes on all threads at once, for about the given time each. units: operations or bytes a second
class Machine {
 public:
  Machine(std::string_view isa, int threads) : probes_(probes_of(isa)), threads_(threads) {}

  double fma(double seconds = 0.01) const { return rate(probes_.fma, seconds); }
  double int8(double seconds = 0.01) const { return probes_.int8 ? rate(probes_.int8, seconds) : 0; }
  const char* int8_step() const { return probes_.int8_step; }
  int threads() const { return threads_; }

  /// Reads a block far larger than the caches once on all threads.
  double read() {
    constexpr std::size_t bytes = std::size_t{1} << 30;
    if (block_.size() == 0) {
      block_ = Storage(bytes);
#pragma omp parallel for num_threads(threads_)
      for (std::size_t i = 0; i < bytes; i += 4096) block_.data()[i] = std::byte(i >> 12);
    }
    const double start = now();
    std::uint64_t sum = 0;
#pragma omp parallel num_threads(threads_) reduction(+ : sum)
    {
      const std::size_t part = bytes / std::size_t(threads_),
                        first = part * std::size_t(omp_get_thread_num());
      const std::uint64_t* p = reinterpret_cast<const std::uint64_t*>(block_.data() + first);
      std::uint64_t s[8] = {};
      for (std::size_t i = 0; i + 8 <= part / 8; i += 8)
        for (int j = 0; j < 8; ++j) s[j] += p[i + std::size_t(j)];
      for (std::uint64_t x : s) sum += x;
    }
    const double seconds = now() - start;
    sink_ = sum;
    return double(bytes) / seconds;
  }

 private:
  double rate(peak::Probe* probe, double seconds) const {
    std::int64_t rounds = 20000;
    for (;; rounds *= 2) {  // long enough to be timed
      const double start = now();
      double operations = 0;
#pragma omp parallel num_threads(threads_) reduction(+ : operations)
      operations += probe(rounds);
      const double taken = now() - start;
      if (taken >= seconds) return operations / taken;
    }
  }

  peak::Probes probes_;
  int threads_;
  Storage block_;
  volatile std::uint64_t sink_ = 0;
};

}  // namespace la::bench
