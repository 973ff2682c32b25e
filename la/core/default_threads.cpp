#include "default_threads.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

namespace la::inline LA_ABI {
namespace detail {

/// ceil(quota / period), or 0 when the two are not numbers: "max", -1, or a file that is not there.
inline int cpus_of_quota(const std::string& quota, const std::string& period) {
  long long q = 0, p = 0;
  std::from_chars(quota.data(), quota.data() + quota.size(), q);
  std::from_chars(period.data(), period.data() + period.size(), p);
  return q > 0 && p > 0 ? int(std::min<long long>((q + p - 1) / p, 1 << 20)) : 0;
}

inline std::string first_word(const std::string& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

inline int group_cpus_v1(const std::string& folder) {
  return cpus_of_quota(first_word(folder + "/cpu.cfs_quota_us"), first_word(folder + "/cpu.cfs_period_us"));
}

inline int group_cpus_v2(const std::string& folder) {
  std::string quota, period;
  std::ifstream(folder + "/cpu.max") >> quota >> period;
  return cpus_of_quota(quota, period);
}

/// The tightest limit of the group and those above it. In a container the path may be the host's: then the root of
/// what is mounted is the container's own group.
template <class Limit>
int tightest(const std::string& mount, std::string group, const Limit& limit) {
  int tightest = 0;
  for (;;) {
    if (const int cpus = limit(mount + group); cpus > 0 && (tightest == 0 || cpus < tightest))
      tightest = cpus;
    if (group.empty()) return tightest;
    group.erase(group.rfind('/'));
  }
}

inline int affinity_cpus() {
#if defined(__linux__)
  for (std::size_t cpus = 1024; cpus <= std::size_t{1} << 20;
       cpus *= 2) {  // as many as the kernel knows, or more
    std::vector<cpu_set_t> mask((cpus + CPU_SETSIZE - 1) / CPU_SETSIZE);
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) == 0) return CPU_COUNT_S(bytes, mask.data());
  }
#endif
  return int(std::thread::hardware_concurrency());
}

}  // namespace detail

LA_INLINE int cgroup_cpus(const std::string& root) {
  int cpus = 0;
  const auto tighten = [&](int limit) {
    if (limit > 0 && (cpus == 0 || limit < cpus)) cpus = limit;
  };
  std::ifstream groups(root + "/proc/self/cgroup");  // lines "4:cpu,cpuacct:/path", in version 2 "0::/path"
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
        tighten(detail::tightest(root + mount, path, detail::group_cpus_v2));
    } else {
      std::istringstream names(controllers);
      bool cpu = false;
      for (std::string name; std::getline(names, name, ',');) cpu = cpu || name == "cpu";
      if (!cpu) continue;
      for (const std::string& mount : {std::string("cpu"), controllers})
        tighten(detail::tightest(root + "/sys/fs/cgroup/" + mount, path, detail::group_cpus_v1));
    }
  }
  return cpus;
}

LA_INLINE int usable_cpus() {
  const int allowed = cgroup_cpus(), present = detail::affinity_cpus();
  return std::max(1, allowed > 0 ? std::min(allowed, present) : present);
}

LA_INLINE int default_threads() {
  const int cpus = usable_cpus();
  const char* const text = std::getenv("OMP_NUM_THREADS");  // may be a list, for nested regions
  return text && std::atoi(text) > 0 ? std::min(cpus, std::atoi(text)) : cpus;
}

}  // namespace la::inline LA_ABI
