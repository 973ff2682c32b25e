#pragma once

#include <cstdint>

namespace la::bench {

/// C [M, N] = A [M, K] W [N, K]^T in f32 with another library, on `threads` threads; false when it was not built in.
bool eigen_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* w, float* c,
                int threads);
bool openblas_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* w, float* c,
                   int threads);

}  // namespace la::bench
