#include <cstring>

#include "kernel_check.hpp"

namespace la::test {
namespace {

struct Quantized {
  std::vector<std::int8_t> q;
  std::vector<float> scale, sum;
};

/// Runs a kernel on misaligned buffers and checks the guards.
Quantized quantize(kernels::QuantizeKernel* kernel, const std::vector<float>& x, i64 group) {
  const i64 k = i64(x.size()), groups = (k + group - 1) / group;
  Guarded<float> in(k, 1), scale(groups, 1), sum(groups, 3);
  std::vector<std::int8_t> q(std::size_t(groups * group + 64), 77);
  for (i64 i = 0; i < k; ++i) in[i] = x[std::size_t(i)];
  kernels::QuantizeRow row;
  row.x = in.data();
  row.k = k;
  row.group = group;
  row.q = q.data() + 32;
  row.scale = scale.data();
  row.sum = sum.data();
  kernel(row);
  CHECK(in.intact());
  CHECK(scale.intact());
  CHECK(sum.intact());
  for (std::size_t i = 0; i < 32; ++i) {
    CHECK(q[i] == 77);
    CHECK(q[q.size() - 1 - i] == 77);
  }
  return {{q.begin() + 32, q.end() - 32}, scale.copy(), sum.copy()};
}

std::vector<Quantized> on_every_isa(const std::vector<float>& x, i64 group) {
  std::vector<Quantized> results;
  for (const kernels::Isa* isa : runnable_isas())
    results.push_back(quantize(kernels::select_isa(isa->name).quantize, x, group));
  return results;
}

}  // namespace

// Found by tests/fuzz/kernels.cpp: the AVX-512 kernel, compiled with clang, rounded the product first.
TEST_CASE("quantize: a product that only rounds to a half is not one") {
  std::vector<float> x{3.0453897f};  // the largest
  const float inverse = 127.0f / x[0];
  std::vector<int> want{127};
  for (int whole = 0; whole < 126; ++whole) {
    const float half = float(whole) + 0.5f, near = half / inverse;
    for (const float value : {near, std::nextafter(near, 0.0f), std::nextafter(near, 4.0f)}) {
      const double exact = double(value) * double(inverse);
      if (value * inverse != half || exact == double(half)) continue;
      x.push_back(value);
      want.push_back(exact < double(half) ? whole : whole + 1);
    }
  }
  REQUIRE(x.size() > 60);
  x.resize(128);
  for (const Quantized& got : on_every_isa(x, 128))
    for (std::size_t i = 0; i < want.size() && i < x.size(); ++i) CHECK(got.q[i] == want[i]);
}

TEST_CASE("quantize: every ISA gives the reference's bits") {
  for (const i64 group : {32, 128})
    for (const i64 k : {1, 31, 32, 33, 127, 128, 129, 588, 1152, 4304}) {
      CAPTURE(group);
      CAPTURE(k);
      Noise noise(unsigned(k * group));
      std::vector<float> x(static_cast<std::size_t>(k));
      noise.fill(x);
      for (std::size_t i = 0; i < x.size(); i += 5) x[i] = std::ldexp(x[i], int(i % 40) - 20);
      const Quantized want = quantize(kernels::select_isa("scalar").quantize, x, group);
      for (const Quantized& got : on_every_isa(x, group)) {
        CHECK(got.q == want.q);
        CHECK(std::memcmp(got.scale.data(), want.scale.data(), want.scale.size() * sizeof(float)) == 0);
        CHECK(got.sum == want.sum);
      }
      for (std::size_t g = 0; g < want.scale.size(); ++g) {
        float amax = 0, sum = 0;
        for (std::size_t i = g * std::size_t(group); i < (g + 1) * std::size_t(group); ++i) {
          sum += want.q[i];
          if (i >= x.size()) {
            CHECK(want.q[i] == 0);
            continue;
          }
          amax = std::max(amax, std::abs(x[i]));
          CHECK(std::abs(int(want.q[i])) <= 127);
          CHECK(std::abs(want.q[i] * want.scale[g] - x[i]) <= 0.5001f * want.scale[g]);
        }
        CHECK(want.scale[g] == amax / 127.0f);
        CHECK(want.sum[g] == sum);
      }
    }
}

TEST_CASE("quantize: ties go to the even integer") {
  std::vector<float> x(32, 0.0f);
  x[0] = 127;
  for (int i = 1; i < 32; ++i) x[std::size_t(i)] = float(i - 16) + 0.5f;
  for (const Quantized& got : on_every_isa(x, 32)) {
    CHECK(got.scale[0] == 1.0f);
    for (int i = 1; i < 32; ++i) CHECK(got.q[std::size_t(i)] == int(std::nearbyint(x[std::size_t(i)])));
  }
}

TEST_CASE("quantize: zero, denormal and tiny groups become zeros, the largest float does not overflow") {
  for (const float tiny : {0.0f, -0.0f, 1e-45f, -1e-40f, 1e-38f, 0x0.ffffffp-100f}) {
    CAPTURE(tiny);
    for (const Quantized& got : on_every_isa(std::vector<float>(33, tiny), 32)) {
      CHECK(got.q == std::vector<std::int8_t>(64, 0));
      CHECK(got.scale == std::vector<float>(2, 0.0f));
      CHECK(got.sum == std::vector<float>(2, 0.0f));
    }
  }
  for (const float large : {0x1p-100f, -0x1p-100f, 3.4028235e38f, -3.4028235e38f}) {
    CAPTURE(large);
    const std::int8_t end = large > 0 ? 127 : -127;
    for (const Quantized& got : on_every_isa(std::vector<float>(32, large), 32)) {
      CHECK(got.q == std::vector<std::int8_t>(32, end));
      CHECK(got.scale[0] == std::abs(large) / 127.0f);
      CHECK(got.sum[0] == 32.0f * end);
    }
  }
}

TEST_CASE("quantize: NaN and infinity make their group's scale NaN, and only theirs") {
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY})
    for (const std::size_t at : {std::size_t(32), std::size_t(45), std::size_t(63)}) {
      std::vector<float> x(100, 1.0f);
      x[at] = bad;
      for (const Quantized& got : on_every_isa(x, 32)) {
        CHECK(got.scale[0] == 1.0f / 127.0f);
        CHECK(std::isnan(got.scale[1]));
        CHECK(got.scale[3] == 1.0f / 127.0f);
        CHECK(got.sum[1] == 0.0f);
        for (std::size_t i = 32; i < 64; ++i) CHECK(got.q[i] == 0);
      }
    }
}

}  // namespace la::test
