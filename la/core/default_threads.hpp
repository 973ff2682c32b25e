#pragma once

#include <string>

#include "inline.hpp"

namespace la::inline LA_ABI {

/// CPUs that the control groups of this process allow it, rounded up; 0: no limit. Versions 1 and 2, whatever is
/// tightest on the way from its own group to the root. `root` stands before /proc and /sys.
int cgroup_cpus(const std::string& root = "");

/// CPUs that this process may run on at a time: its affinity mask and cgroup_cpus(). At least 1.
int usable_cpus();

/// min(usable_cpus(), $OMP_NUM_THREADS)
int default_threads();

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "default_threads.cpp"
#endif
