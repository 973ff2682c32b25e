#include "rivals.hpp"

#if defined(LA_WITH_EIGEN)
#include <Eigen/Dense>
#endif
#if defined(LA_WITH_OPENBLAS)
#include <cblas.h>
#endif

namespace la::bench {

bool eigen_gemm([[maybe_unused]] std::int64_t m, [[maybe_unused]] std::int64_t n,
                [[maybe_unused]] std::int64_t k, [[maybe_unused]] const float* a,
                [[maybe_unused]] const float* w, [[maybe_unused]] float* c, [[maybe_unused]] int threads) {
#if defined(LA_WITH_EIGEN)
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(threads);
  Eigen::Map<RowMajor>(c, m, n).noalias() =
      Eigen::Map<const RowMajor>(a, m, k) * Eigen::Map<const RowMajor>(w, n, k).transpose();
  return true;
#else
  return false;
#endif
}

bool openblas_gemm([[maybe_unused]] std::int64_t m, [[maybe_unused]] std::int64_t n,
                   [[maybe_unused]] std::int64_t k, [[maybe_unused]] const float* a,
                   [[maybe_unused]] const float* w, [[maybe_unused]] float* c, [[maybe_unused]] int threads) {
#if defined(LA_WITH_OPENBLAS)
  openblas_set_num_threads(threads);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blasint(m), blasint(n), blasint(k), 1, a, blasint(k),
              w, blasint(k), 0, c, blasint(n));
  return true;
#else
  return false;
#endif
}

}  // namespace la::bench
