// Whole answers decoded from arbitrary logits, in every mode and stop policy, until they end.
#include <cmath>

#include "fuzz.hpp"
#include "la/decoding/generation.hpp"

namespace {

constexpr std::int64_t kVocabulary = 64;

la::SpecialTokens special_tokens() {
  la::SpecialTokens s;
  s.box_start = 1, s.box_end = 2, s.ref_start = 3, s.ref_end = 4, s.none = 5, s.null = 6, s.end = 7;
  s.switch_to_ar = 8, s.mask = 9, s.image = 10;
  s.coord_first = 20, s.coord_last = 60;
  return s;
}

/// One logit for each pair of bytes: a token and how much it stands out; high ones may be infinite or NaN.
void fill_row(la::fuzz::Input& input, float* logits) {
  std::fill_n(logits, kVocabulary, 0.0f);
  for (std::size_t n = input.byte() % 8; n > 0; --n) {
    float& logit = logits[input.byte() % kVocabulary];
    const std::uint8_t strength = input.byte();
    logit = strength == 255 ? NAN : strength == 254 ? INFINITY : float(strength) / 8 - 10;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  fuzz::Input input(data, size);
  GenerationOptions options;
  options.mode = Mode(input.byte() % 3);
  options.stop = StopPolicy(input.byte() % 2);
  options.max_new_tokens = 1 + input.byte() % 64;
  const std::uint8_t sampled = input.byte();
  if (sampled & 1) options.sampling.temperature = float(sampled) / 64;
  if (sampled & 2) options.sampling.top_p = float(sampled) / 255;
  if (sampled & 4) options.sampling.top_k = sampled / 8;
  if (sampled & 8) options.sampling.repetition_penalty = 0.5f + float(sampled) / 128;
  fuzz::accepted([&] {
    Generation generation(special_tokens(), options, {11, 12, 13}, 60);
    std::int64_t steps = 0;
    while (!generation.finished()) {
      std::vector<float> logits(kVocabulary * (generation.next_step() == Generation::Step::ar ? 1
                                               : generation.next_step() == Generation::Step::block
                                                   ? 6
                                                   : 7 + generation.drafts()));
      for (std::size_t row = 0; row < logits.size(); row += kVocabulary) fill_row(input, logits.data() + row);
      generation.accept(Matrix(logits.data(), {std::int64_t(logits.size()) / kVocabulary, kVocabulary}));
      fuzz::require_that(++steps <= 64, "an answer ends");
      const auto output = generation.output();
      fuzz::require_that(output.size() == generation.evidence().size(), "each token has its evidence");
      fuzz::require_that(std::int64_t(output.size()) <= options.max_new_tokens + 5,
                         "an answer keeps its length");
      for (const std::int32_t id : output)
        fuzz::require_that(id >= 0 && id < kVocabulary, "tokens are in the vocabulary");
    }
    generation.stop_reason();
  });
  return 0;
}
