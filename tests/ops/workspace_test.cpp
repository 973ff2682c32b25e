#include "../../la/ops/workspace.hpp"
#include "../../la/ops/ops_cpu.hpp"

#include "../support.hpp"

namespace la::test {

TEST_CASE("workspace: a second pass of the same size allocates nothing and stays aligned") {
  const auto ops = make_cpu_ops();
  Workspace workspace(*ops);
  const auto pass = [&] {
    const Workspace::Scope outer(workspace);
    const Matrix a = workspace.matrix(100, 333);
    for (int i = 0; i < 5; ++i) {
      const Workspace::Scope inner(workspace);
      const Matrix b = workspace.matrix(1000, 700), c = workspace.matrix(3, 5);
      CHECK(reinterpret_cast<std::uintptr_t>(b.data) % kAlignment == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(c.data) % kAlignment == 0);
      CHECK(b.data != a.data);
      b(999, 699) = c(2, 4) = a(99, 332) = 1;
    }
  };
  pass();
  const i64 after_first = workspace.allocations();
  const std::size_t bytes = workspace.bytes();
  for (int i = 0; i < 3; ++i) pass();
  CHECK(workspace.allocations() == after_first);
  CHECK(workspace.bytes() == bytes);
}

TEST_CASE("workspace: views of an outer scope survive inner scopes that grow the arena") {
  const auto ops = make_cpu_ops();
  Workspace workspace(*ops);
  const Workspace::Scope outer(workspace);
  const Matrix a = workspace.matrix(10, 10);
  for (i64 i = 0; i < 100; ++i) a.data[i] = float(i);
  for (i64 size : {1 << 18, 1 << 20, 1 << 22}) {
    const Workspace::Scope inner(workspace);
    const Matrix b = workspace.matrix(1, size);
    for (i64 i = 0; i < size; ++i) b.data[i] = -1;
  }
  for (i64 i = 0; i < 100; ++i) REQUIRE(a.data[i] == float(i));
}

}  // namespace la::test
