#pragma once

#include <memory>
#include <utility>

#include "../la/ops/forwarding_ops.hpp"
#include "../la/session/options.hpp"

namespace la::test {

/// Rows that cost nothing: drafts always pay.
class FreeRows final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  double rows_per_read(std::size_t) const noexcept override { return 1e9; }
};

inline SessionOptions free_rows(int threads = 0) {
  SessionOptions options;
  options.threads = threads;
  options.wrap_ops = [](std::unique_ptr<Ops> ops) { return std::make_unique<FreeRows>(std::move(ops)); };
  return options;
}

}  // namespace la::test
