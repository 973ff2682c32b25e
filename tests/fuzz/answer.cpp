// Any sequence of tokens is an answer: items are whole, warnings name the rest.
#include <cmath>

#include "fuzz.hpp"
#include "la/decoding/answer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  SpecialTokens special;
  special.box_start = 1, special.box_end = 2, special.ref_start = 3, special.ref_end = 4;
  special.none = 5, special.end = 6, special.null = 7;
  special.coord_first = 100, special.coord_last = 1100;
  fuzz::Input input(data, size);
  std::vector<std::int32_t> ids;
  std::vector<Evidence> evidence;
  while (!input.empty()) {
    // Special tokens in one byte, so that mutations meet them; coordinates and others in two.
    const std::uint8_t first = input.byte();
    ids.push_back(first < 16 ? first : 100 + (first - 16) * 8 + input.byte() % 8);
    evidence.push_back({float(first % 5) / 4, float(first % 3) / 2, {}});
    evidence.back().spread.at.fill(float(first) * 4);
    evidence.back().spread.weight.fill(1.0f / 7);
  }
  const auto decode = [](std::span<const std::int32_t> label) { return std::string(label.size(), 'x'); };
  const Answer answer = parse_answer(ids, evidence, special, decode, 640, 480);
  std::size_t i = 0;
  AnswerParser parser(special, decode, 640, 480);
  for (std::size_t at = 0; at < ids.size(); ++at)
    if (const auto item = parser.feed(ids[at], evidence[at])) {
      fuzz::require_that(i < answer.items.size() && item->box_1000 == answer.items[i].box_1000,
                         "item by item the same");
      ++i;
      fuzz::require_that(ids[at] == special.box_end, "an item ends with its bracket");
      fuzz::require_that(item->score >= 0 && item->score <= 1, "a score is a probability");
      fuzz::require_that(item->box[0] <= item->box[2] && item->box[1] <= item->box[3], "a box is sorted");
      for (const float x : item->box) fuzz::require_that(x >= 0 && x <= 640, "a box lies in the picture");
    }
  fuzz::require_that(i == answer.items.size(), "as many items");
  return 0;
}
