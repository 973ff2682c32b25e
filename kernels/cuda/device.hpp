#pragma once

#include <cstdint>

#include "../abi.hpp"

// What device code asks of its machine, for three compilers: clang with the NVPTX target (no CUDA header is needed), nvcc,
// and any C++ compiler, for which tests/cuda/emulation.cpp is the machine. Everything above these few functions is plain C++.
#if defined(__CUDACC__) || defined(__CUDA__)
#define LA_ON_DEVICE 1
#define LA_KERNEL extern "C" __attribute__((global))
#define LA_DEVICE __attribute__((device, always_inline))
/// The loop that follows, written out: arrays that it indexes can then be registers.
#define LA_UNROLL _Pragma("unroll")
#define LA_NO_UNROLL _Pragma("unroll 1")
/// Blocks have no more threads: so many registers a thread may be used.
#define LA_MAX_THREADS(N) __attribute__((launch_bounds(N)))
/// And so many of them on a processor are enough: registers are not spilled for more.
#define LA_MAX_THREADS_OF(N, BLOCKS) __attribute__((launch_bounds(N, BLOCKS)))
#else
#define LA_UNROLL
#define LA_NO_UNROLL
#define LA_MAX_THREADS(N)
#define LA_MAX_THREADS_OF(N, BLOCKS)
#define LA_ON_DEVICE 0
#define LA_KERNEL inline
#define LA_DEVICE
#endif

namespace la::inline LA_ABI::kernels::cuda {

#if LA_ON_DEVICE

LA_DEVICE inline int thread_index() {
  int v;
  asm("mov.u32 %0, %%tid.x;" : "=r"(v));
  return v;
}
LA_DEVICE inline int block_size() {
  int v;
  asm("mov.u32 %0, %%ntid.x;" : "=r"(v));
  return v;
}
LA_DEVICE inline int block_index_x() {
  int v;
  asm("mov.u32 %0, %%ctaid.x;" : "=r"(v));
  return v;
}
LA_DEVICE inline int block_index_y() {
  int v;
  asm("mov.u32 %0, %%ctaid.y;" : "=r"(v));
  return v;
}
/// All threads of the block have come here; what they wrote is seen.
LA_DEVICE inline void sync_block() {
  asm volatile("bar.sync 0;" ::: "memory");
}

/// The launches before this one have ended, and what they wrote is seen. A dependent launch may start before: until a thread
/// has come here it reads and writes nothing that they might touch, and every kernel comes here.
LA_DEVICE inline void wait_for_launches() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// The launch behind this one may start once all blocks have come here.
LA_DEVICE inline void start_next_launch() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// 4, 8 or 16 bytes, which both addresses are multiples of, from global to shared memory, in the background: there for this
/// thread after wait_copies, for the others after a barrier behind that.
template <int Bytes>
LA_DEVICE inline void copy_async(void* to, const void* from) {
  asm volatile(
      "{ .reg .u64 at; cvta.to.shared.u64 at, %0; cp.async.ca.shared.global [at], [%1], %2; }" ::"l"(to),
      "l"(from), "n"(Bytes)
      : "memory");
}
/// The copies since the last call are a group.
LA_DEVICE inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// All groups have arrived but the last `Groups`.
template <int Groups>
LA_DEVICE inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

extern __attribute__((shared)) __attribute__((aligned(16))) unsigned char la_shared_memory[];
/// The block's shared memory, as much as the launch asked for.
template <class T>
LA_DEVICE inline T* shared_memory() {
  return reinterpret_cast<T*>(la_shared_memory);
}

/// What this thread has written, or has seen before by a barrier, is seen by who sees what it counts behind; and what
/// the others had written before they counted is seen here behind it.
LA_DEVICE inline void fence_device() {
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
}
/// Counts up to `last` and then begins again with zero, for all blocks; what was counted before.
LA_DEVICE inline std::uint32_t count_around(std::uint32_t* counter, std::uint32_t last) {
  std::uint32_t r;
  asm volatile("atom.relaxed.gpu.global.inc.u32 %0, [%1], %2;"
               : "=r"(r)
               : "l"(counter), "r"(last)
               : "memory");
  return r;
}

/// c += a b in the tensor cores: a 16 x 16 and b 16 x 8 of bf16 pairs, c of float, in the fragments of PTX's m16n8k16.
LA_DEVICE inline void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                               std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// The same of IEEE halves.
LA_DEVICE inline void mma_half(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                               std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// The value of lane `lane ^ mask` of the warp.
LA_DEVICE inline float shuffle_xor(float value, int mask) {
  float r;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=f"(r) : "f"(value), "r"(mask));
  return r;
}

/// Both values rounded to bf16, to nearest even; the first in the lower half.
LA_DEVICE inline std::uint32_t to_bf16_pair(float low, float high) {
  std::uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

/// Both values rounded to IEEE half, to nearest even; the first in the lower half.
LA_DEVICE inline std::uint32_t to_half_pair(float low, float high) {
  std::uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

/// a - b of bf16 pairs whose differences are exact.
LA_DEVICE inline std::uint32_t subtract_bf16_pairs(std::uint32_t a, std::uint32_t b) {
  std::uint32_t r;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(0x3f803f80u), "r"(b ^ 0x80008000u));
  return r;
}

struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};
/// 16 bytes that nobody reads again soon.
LA_DEVICE inline Words4 load_streaming(const void* p) {
  Words4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

LA_DEVICE inline float square_root(float x) {
  float r;
  asm("sqrt.rn.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
/// 2^x, within two units in the last place; 2^0 is 1.
LA_DEVICE inline float power_of_two(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

#else

/// The machine of tests/cuda/emulation.cpp.
namespace emulated {
int thread_index() noexcept;
int block_size() noexcept;
int block_index_x() noexcept;
int block_index_y() noexcept;
unsigned char* shared_memory() noexcept;
void sync_block();
void wait_for_launches();
void fence_device();
std::uint32_t count_around(std::uint32_t* counter, std::uint32_t last);
void copy_async(void* to, const void* from, int bytes);
void commit_copies();
void wait_copies(int groups_in_flight);
void mma_bf16(float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1);
void mma_half(float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1);
float shuffle_xor(float value, int mask);
}  // namespace emulated

inline int thread_index() {
  return emulated::thread_index();
}
inline int block_size() {
  return emulated::block_size();
}
inline int block_index_x() {
  return emulated::block_index_x();
}
inline int block_index_y() {
  return emulated::block_index_y();
}
inline void sync_block() {
  emulated::sync_block();
}
inline void wait_for_launches() {
  emulated::wait_for_launches();
}
inline void fence_device() {
  emulated::fence_device();
}
inline std::uint32_t count_around(std::uint32_t* counter, std::uint32_t last) {
  return emulated::count_around(counter, last);
}
inline void start_next_launch() {}  // all are started as early as can be
template <int Bytes>
inline void copy_async(void* to, const void* from) {
  emulated::copy_async(to, from, Bytes);
}
inline void commit_copies() {
  emulated::commit_copies();
}
template <int Groups>
inline void wait_copies() {
  emulated::wait_copies(Groups);
}
template <class T>
T* shared_memory() {
  return reinterpret_cast<T*>(emulated::shared_memory());
}
inline void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  emulated::mma_bf16(c, a, b0, b1);
}
inline void mma_half(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  emulated::mma_half(c, a, b0, b1);
}
inline float shuffle_xor(float value, int mask) {
  return emulated::shuffle_xor(value, mask);
}
inline std::uint32_t to_bf16_bits(float x) {
  const std::uint32_t u = __builtin_bit_cast(std::uint32_t, x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
}
inline std::uint32_t to_bf16_pair(float low, float high) {
  return to_bf16_bits(low) | to_bf16_bits(high) << 16;
}
inline std::uint32_t to_half_bits(float x) {
  const std::uint32_t u = __builtin_bit_cast(std::uint32_t, x), sign = u >> 16 & 0x8000u, v = u & 0x7fffffffu;
  if (v > 0x7f800000u) return 0x7fffu;
  if (v >= 0x477ff000u) return sign | 0x7c00u;  // from 65520 on
  if (v < 0x38800000u)  // below 2^-14 a half is a multiple of 2^-24, as the floats from 0.5 on
    return sign | (__builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, v) + 0.5f) - 0x3f000000u);
  return sign | (((v + 0xfffu + (v >> 13 & 1u)) >> 13) - (112u << 10));
}
inline std::uint32_t to_half_pair(float low, float high) {
  return to_half_bits(low) | to_half_bits(high) << 16;
}
inline std::uint32_t subtract_bf16_pairs(std::uint32_t a, std::uint32_t b) {
  const auto low = [](std::uint32_t v) { return __builtin_bit_cast(float, v << 16); };
  const auto high = [](std::uint32_t v) { return __builtin_bit_cast(float, v & 0xffff0000u); };
  return to_bf16_pair(low(a) - low(b), high(a) - high(b));
}
struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};
inline Words4 load_streaming(const void* p) {
  return *static_cast<const Words4*>(p);
}
inline float square_root(float x) {
  return __builtin_sqrtf(x);
}
inline float power_of_two(float x) {
  return __builtin_exp2f(x);
}

#endif

LA_DEVICE inline int lane() {
  return thread_index() % 32;
}
LA_DEVICE inline int warp() {
  return thread_index() / 32;
}

LA_DEVICE inline float low_value(std::uint32_t bf16_pair) {
  return __builtin_bit_cast(float, bf16_pair << 16);
}
LA_DEVICE inline float high_value(std::uint32_t bf16_pair) {
  return __builtin_bit_cast(float, bf16_pair & 0xffff0000u);
}

/// e^x, within two units in the last place; the same bits on every machine.
/// x = n ln 2 + r, e^r by its series to r^7 on |r| <= ln 2 / 2
LA_DEVICE inline float exponential(float x) {
  if (x > 88.73f) return __builtin_inff();
  if (x < -104.0f) return 0.0f;
  const float n = __builtin_fmaf(x, 1.442695041f, 12582912.0f) - 12582912.0f;  // to the nearest whole number
  float r = __builtin_fmaf(n, -0.693359375f, x);
  r = __builtin_fmaf(n, 2.12194440e-4f, r);
  float p = 1.0f / 5040;
  p = __builtin_fmaf(p, r, 1.0f / 720);
  p = __builtin_fmaf(p, r, 1.0f / 120);
  p = __builtin_fmaf(p, r, 1.0f / 24);
  p = __builtin_fmaf(p, r, 1.0f / 6);
  p = __builtin_fmaf(p, r, 0.5f);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  if (!(n == n)) return n;
  // 2^n in two factors, since neither 2^128 nor 2^-140 is a float of its own
  const int whole = int(n), half = whole / 2;
  return p * __builtin_bit_cast(float, (half + 127) << 23) *
         __builtin_bit_cast(float, (whole - half + 127) << 23);
}

/// erf(x), within 3e-7.    source: Abramowitz and Stegun 7.1.26
LA_DEVICE inline float error_function(float x) {
  const float a = x < 0 ? -x : x, t = 1.0f / __builtin_fmaf(0.3275911f, a, 1.0f);
  float p = 1.061405429f;
  p = __builtin_fmaf(p, t, -1.453152027f);
  p = __builtin_fmaf(p, t, 1.421413741f);
  p = __builtin_fmaf(p, t, -0.284496736f);
  p = __builtin_fmaf(p, t, 0.254829592f);
  const float e = __builtin_fmaf(-p * t, exponential(-a * a), 1.0f);
  return x < 0 ? -e : e;
}

}  // namespace la::inline LA_ABI::kernels::cuda
