// One of two files that both include all of la, see alone_test.sh.
#include <algorithm>

#include "la/la.hpp"

la::Task task_of_other();

namespace {

/// The reference stays out of a header-only program that does not ask for it, and says so.
bool refuses(la::Backend backend) {
  la::SessionOptions options;
  options.backend = backend;
  try {
    la::detail::make_ops(options, std::string("data/shapes"), nullptr);
  } catch (const la::Error& e) {
    return std::string(e.what()).find("LA_WITH_CHECK") != std::string::npos;
  }
  return false;
}

/// Compiled for any CPU, a session says that a better one is wasted.
bool warns_of_scalar_kernels() {
  const auto session = la::Session::open("data/shapes");
  const auto& warnings = session.warnings();
  return std::find(warnings.begin(), warnings.end(), la::kernels::scalar_only_warning()) != warnings.end();
}

}  // namespace

int main() {
  const bool refused = refuses(la::Backend::check) && refuses(la::Backend::reference);
  const bool warned = la::kernels::scalar_only_warning().empty() || warns_of_scalar_kernels();
  return refused && warned && task_of_other() == la::parse_task("point") ? 0 : 1;
}
