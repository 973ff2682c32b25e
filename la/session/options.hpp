#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "../core/team.hpp"
#include "../model/model_weights.hpp"
#include "../ops/ops.hpp"

namespace la::inline LA_ABI {

/// Which implementation of the ops runs: cpu is the fast one of the device, which may be a card; check runs it beside
/// reference and stops at the first op that differs.
enum class Backend { cpu, reference, check };

struct SessionOptions {
  WeightFormat weights = WeightFormat::auto_;
  ActivationFormat activations = ActivationFormat::auto_;
  Backend backend = Backend::cpu;
  /// cpu, cuda, cuda:N, or auto: the first card whose free memory holds the model, else cpu. A card takes activations as
  /// bf16, unless they are f32.
  std::string device = "cpu";
  std::string isa{};  ///< of the cpu backend, see kernels::select_isa
  int threads = 0;    ///< 0: default_threads()
  std::shared_ptr<Team>
      team{};           ///< its threads are used, with those of whoever shares it; none: a team of its own
  Progress progress{};  ///< while weights are packed
  /// Puts something around the backend, to watch what it does.
  std::function<std::unique_ptr<Ops>(std::unique_ptr<Ops>)> wrap_ops{};

  /// Encoded pictures that are kept for when they come again. 0: none
  std::size_t image_cache_bytes = std::size_t{256} << 20;
  /// Pictures whose prompt's keys and values are kept for the next question on them. 0: none
  std::size_t kept_prefixes = 4;
  /// Keys and values of all rows and kept prefixes together; rows wait until they fit. 0: no limit
  std::size_t kv_budget_bytes = std::size_t{2} << 30;
};

}  // namespace la::inline LA_ABI
