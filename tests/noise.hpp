#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace la::test {

/// Random values of a normal distribution: the one generator of the tests.
class Noise {
 public:
  explicit Noise(unsigned seed = 1) : engine_(seed) {}
  float operator()() { return normal_(engine_); }
  std::uint32_t bits() { return std::uint32_t(engine_()); }
  std::vector<float> values(std::int64_t n, float scale = 1) {
    std::vector<float> all(static_cast<std::size_t>(n));
    fill(all, scale);
    return all;
  }
  template <class Range>
  void fill(Range& range, float scale = 1) {
    for (std::int64_t i = 0; i < std::int64_t(range.size()); ++i) range[std::size_t(i)] = scale * (*this)();
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

}  // namespace la::test
