// One of two files that both include all of la, see alone_test.sh.
#include "la/la.hpp"

la::Task task_of_other();

namespace {

/// The reference stays out of a header-only program that does not ask for it, and says so.
bool refuses(la::Backend backend) {
  la::SessionOptions options;
  options.backend = backend;
  try {
    la::detail::make_ops(options);
  } catch (const la::Error& e) {
    return std::string(e.what()).find("LA_WITH_CHECK") != std::string::npos;
  }
  return false;
}

}  // namespace

int main() {
  const bool refused = refuses(la::Backend::check) && refuses(la::Backend::reference);
  return refused && task_of_other() == la::parse_task("point") ? 0 : 1;
}
