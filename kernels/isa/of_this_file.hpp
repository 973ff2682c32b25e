#pragma once

// Header-only use: the scalar set, and the best that the including file is compiled for.
#include "scalar.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#if defined(__AVX512VNNI__) && defined(LA_ABI_AMX)
#define LA_BUILT_AMX
#include "amx.hpp"
#elif defined(__AVX512VNNI__)
#define LA_BUILT_AVX512VNNI
#include "avx512vnni.hpp"
#else
#define LA_BUILT_AVX512
#include "avx512.hpp"
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#if defined(__AVXVNNI__)
#define LA_BUILT_AVXVNNI
#include "avxvnni.hpp"
#else
#define LA_BUILT_AVX2
#include "avx2.hpp"
#endif
#elif defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8) && defined(__ARM_FEATURE_DOTPROD) && \
    !defined(__APPLE__)
#define LA_BUILT_NEONI8MM
#include "neoni8mm.hpp"
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define LA_BUILT_NEONDOT
#include "neondot.hpp"
#elif defined(__aarch64__)
#define LA_BUILT_NEON
#include "neon.hpp"
#elif defined(__wasm_simd128__) && defined(__SSE4_1__) && defined(__wasm_relaxed_simd__)
#define LA_BUILT_WASMRELAXED
#include "wasmrelaxed.hpp"
#elif defined(__wasm_simd128__) && defined(__SSE4_1__)
#define LA_BUILT_WASM
#include "wasm.hpp"
#elif defined(__x86_64__) && !defined(LA_SCALAR)
#pragma message( \
    "la: only the scalar kernels, some 15 times slower: compile with -march=native or define LA_SCALAR")
#endif
