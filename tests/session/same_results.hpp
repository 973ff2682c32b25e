#pragma once

#include <cstddef>
#include <vector>

#include "../../la/session/session.hpp"
#include "../support.hpp"

namespace la::test {

/// Answers without an error, token for token and score for score; how many passes they took is not looked at.
inline void check_same_results(const std::vector<Result>& got, const std::vector<Result>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i].error == "");
    CHECK(got[i].token_ids == want[i].token_ids);
    CHECK(got[i].stop == want[i].stop);
    REQUIRE(got[i].items.size() == want[i].items.size());
    for (std::size_t k = 0; k < want[i].items.size(); ++k) {
      CHECK(got[i].items[k].box == want[i].items[k].box);
      CHECK(got[i].items[k].score == want[i].items[k].score);
      CHECK(got[i].items[k].label_score == want[i].items[k].label_score);
    }
  }
}

}  // namespace la::test
