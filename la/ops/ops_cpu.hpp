#pragma once

#include <memory>
#include <string_view>

#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "../core/team.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

struct CpuOptions {
  int threads = 0;         ///< 0: default_threads()
  std::string_view isa{};  ///< see kernels::select_isa
  ActivationFormat activations = ActivationFormat::auto_;
  std::shared_ptr<Team> team{};              ///< its threads are used; none: a team of its own
  std::shared_ptr<MemoryResource> memory{};  ///< of blocks from Storage::kMapped bytes on; none: the system's
  /// Multiplications below which a call is one thread's: it is done before others have begun. The bits are the same.
  i64 region_work = 1 << 19;
};

/// Threads and vector kernels.
std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options = {});

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "ops_cpu.cpp"
#endif
