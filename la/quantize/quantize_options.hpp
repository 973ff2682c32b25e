#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../image/image.hpp"
#include "../model/model_weights.hpp"
#include "../text/prompt_text.hpp"

namespace la::inline LA_ABI {

/// mixed: a 4-bit decoder; vision, projector, embedding and head in 8 bits.
enum class QuantizeFormat { q8, q4, mixed };
/// packed: panels that are mapped, see weights/packed_file.hpp; gptq: the layout of other tools, 4 bits only, in which the
/// embedding, the head, the patch embedding and layers whose sizes do not fit stay as they are.
enum class QuantizeLayout { packed, gptq };
/// rtn: round to nearest; calibrated: 4-bit scales and codes are chosen for the inputs that samples give.
enum class QuantizeMethod { calibrated, rtn };

/// A question about a picture, to see what inputs the layers get.
struct CalibrationSample {
  Image image;
  PromptText question;
};

struct QuantizeOptions {
  QuantizeFormat format = QuantizeFormat::mixed;
  std::set<ModelPart> parts{ModelPart::decoder, ModelPart::vision, ModelPart::projector, ModelPart::head};
  QuantizeLayout layout = QuantizeLayout::packed;
  QuantizeMethod method = QuantizeMethod::calibrated;
  std::vector<CalibrationSample> samples{};  ///< for calibrated 4 bits: at least one
  std::string samples_name{};                ///< tells other samples apart when resuming
  bool resume = false;                       ///< keep what an interrupted run has finished
  int threads = 0;
  std::function<void(std::string_view step, double done)> progress{};
};

/// Error of the outputs of calibrated layers on the samples, as a share of the outputs: sum |(W - Q) x|^2 / sum |W x|^2.
struct QuantizeErrors {
  double outputs = 0, rtn = 0, search = 0, feedback = 0, refined = 0;  ///< sums over a sample of the rows
};

struct QuantizeSummary {
  i64 weights = 0;                          ///< values in linear layers and the embedding
  std::size_t weight_bytes = 0;             ///< that they take
  std::size_t source_bytes = 0, bytes = 0;  ///< of all tensors, before and after
  QuantizeErrors errors;                    ///< of 4-bit weights, when calibrated
};

}  // namespace la::inline LA_ABI
