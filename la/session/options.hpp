#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "../core/storage.hpp"
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
  /// Its threads are used, with whoever shares it, instead of `threads`. None: a team of its own
  std::shared_ptr<Team> team{};
  Progress progress{};  ///< while weights are packed
  /// Where the cpu backend's large blocks come from: weights, keys and values, encoded pictures, intermediate results, each
  /// from Storage::kMapped bytes on. It lives as long as they do. None: mappings of the system
  std::shared_ptr<MemoryResource> memory{};
  /// Takes what the library has to say, a line at a time and without its end: where the model runs and why, how its weights
  /// are held, what Session::warnings() holds. Called by the thread that opens. The library itself prints nothing;
  /// the decoders behind libheif may, of damaged pictures.
  std::function<void(std::string_view line)> log{};
  /// Puts something around the backend, to watch what it does.
  std::function<std::unique_ptr<Ops>(std::unique_ptr<Ops>)> wrap_ops{};

  /// Encoded pictures that are kept for when they come again. 0: none
  std::size_t image_cache_bytes = std::size_t{256} << 20;
  /// Pictures whose prompt's keys and values are kept for the next question on them. 0: none
  std::size_t kept_prefixes = 4;
  /// Keys and values of all rows and kept prefixes together; rows wait until they fit. 0: no limit. On a card never more
  /// than three quarters of the memory that the weights leave.
  std::size_t kv_budget_bytes = std::size_t{2} << 30;
};

}  // namespace la::inline LA_ABI
