#include "../../la/core/default_threads.hpp"

#include <sched.h>

#include <cstdlib>
#include <thread>

#include "../support.hpp"

namespace la::test {
namespace {

void put(const TemporaryDirectory& root, const std::string& path, const std::string& text) {
  const std::filesystem::path file = root / path;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text << "\n";
}

}  // namespace

TEST_CASE("default threads: the tightest quota of a process's groups, rounded up") {
  SUBCASE("no control groups") {
    const TemporaryDirectory root;
    CHECK(cgroup_cpus(root.str()) == 0);
  }
  SUBCASE("version 2") {
    const TemporaryDirectory root;
    put(root, "proc/self/cgroup", "0::/a.slice/b.scope");
    CHECK(cgroup_cpus(root.str()) == 0);
    put(root, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000");
    CHECK(cgroup_cpus(root.str()) == 0);
    put(root, "sys/fs/cgroup/a.slice/cpu.max", "250000 100000");
    CHECK(cgroup_cpus(root.str()) == 3);
    put(root, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000");
    CHECK(cgroup_cpus(root.str()) == 3);
    put(root, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "100000 100000");
    CHECK(cgroup_cpus(root.str()) == 1);
    put(root, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "10000 100000");
    CHECK(cgroup_cpus(root.str()) == 1);
  }
  SUBCASE("version 2 in a container that sees the host's path") {
    const TemporaryDirectory root;
    put(root, "proc/self/cgroup", "0::/docker/0123");
    put(root, "sys/fs/cgroup/cpu.max", "200000 100000");
    CHECK(cgroup_cpus(root.str()) == 2);
  }
  SUBCASE("version 1") {
    const TemporaryDirectory root;
    put(root, "proc/self/cgroup", "5:memory:/\n4:cpu,cpuacct:/job\n1:name=systemd:/\n0::/");
    put(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000");
    put(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1");
    CHECK(cgroup_cpus(root.str()) == 0);
    put(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "150000");
    CHECK(cgroup_cpus(root.str()) == 2);
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000");
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000");
    CHECK(cgroup_cpus(root.str()) == 1);
  }
  SUBCASE("what is not a number is no limit") {
    const TemporaryDirectory root;
    put(root, "proc/self/cgroup", "nonsense\n0:\n0::relative\n0::/");
    put(root, "sys/fs/cgroup/cpu.max", "lots");
    CHECK(cgroup_cpus(root.str()) == 0);
  }
}

TEST_CASE("default threads: affinity and OMP_NUM_THREADS only ever lower them") {
  const int cpus = usable_cpus();
  CHECK(cpus >= 1);
  const char* const before = std::getenv("OMP_NUM_THREADS");
  const std::string kept = before ? before : "";
  ::unsetenv("OMP_NUM_THREADS");
  CHECK(default_threads() == cpus);
  for (const auto& [text, expected] :
       {std::pair{"1", 1}, {"1,4", 1}, {"100000", cpus}, {"0", cpus}, {"x", cpus}}) {
    ::setenv("OMP_NUM_THREADS", text, 1);
    CHECK(default_threads() == expected);
  }
  ::unsetenv("OMP_NUM_THREADS");
  std::thread([] {  // a mask of its own
    cpu_set_t mask;
    REQUIRE(::sched_getaffinity(0, sizeof mask, &mask) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    REQUIRE(::sched_setaffinity(0, sizeof mask, &mask) == 0);
    CHECK(default_threads() == 1);
  })
      .join();
  if (before) ::setenv("OMP_NUM_THREADS", kept.c_str(), 1);
}

}  // namespace la::test
