#pragma once

/// Everything of la lives in the inline namespace LA_ABI, named after what decides how its inline functions are
/// compiled: the version, and the library or, in header-only use, instruction set, vector loops (-fopenmp or
/// -DLA_OPENMP_SIMD), fast-math and LA_WITH_... Two files of one program that differ in these would define the same
/// functions differently, and the linker would silently keep one copy: scalar kernels where AVX-512 was asked for, or
/// AVX-512 in a file for any CPU. With names of their own each file runs what it was compiled for, and a la type passed
/// from one to the other does not link.
///
/// Nothing but macros is in this file: it belongs to kernels and la alike.
#define LA_ABI_VERSION v0_2

#if __cplusplus < 202002L
#error "la needs C++20: compile with -std=c++20 or later"
#include <la needs C++20>  // ends the compilation: what follows would be thousands of errors
#endif

#if defined(LA_COMPILED)
#define LA_ABI_BUILD compiled
#else

// clang 14 spells them without the second underscore.
#if (defined(__AMX_TILE__) || defined(__AMXTILE__)) && (defined(__AMX_INT8__) || defined(__AMXINT8__))
#define LA_ABI_AMX
#endif

#if defined(LA_ABI_AMX)
#define LA_ABI_ISA amx
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define LA_ABI_ISA avx512vnni
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define LA_ABI_ISA avx512
#elif defined(__AVX512F__)
#define LA_ABI_ISA avx512f
#elif defined(__AVXVNNI__)
#define LA_ABI_ISA avxvnni
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LA_ABI_ISA avx2
#elif defined(__AVX__)
#define LA_ABI_ISA avx
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#define LA_ABI_ISA neoni8mm
#elif defined(__ARM_FEATURE_DOTPROD)
#define LA_ABI_ISA neondot
#elif defined(__wasm_relaxed_simd__)
#define LA_ABI_ISA wasmrelaxed
#elif defined(__wasm_simd128__)
#define LA_ABI_ISA wasm
#else
#define LA_ABI_ISA baseline
#endif

#if defined(_OPENMP) || defined(LA_OPENMP_SIMD)
#define LA_ABI_LOOPS simd
#else
#define LA_ABI_LOOPS plain
#endif

#if defined(__FAST_MATH__)
#define LA_ABI_MATH fast_math
#else
#define LA_ABI_MATH exact
#endif

#if defined(LA_WITH_CHECK)
#define LA_ABI_CHECK _check
#else
#define LA_ABI_CHECK
#endif
#if defined(LA_WITH_JPEG)
#define LA_ABI_JPEG _jpeg
#else
#define LA_ABI_JPEG
#endif
#if defined(LA_WITH_WEBP)
#define LA_ABI_WEBP _webp
#else
#define LA_ABI_WEBP
#endif
#if defined(LA_WITH_HEIF)
#define LA_ABI_HEIF _heif
#else
#define LA_ABI_HEIF
#endif
#if defined(LA_WITH_GIF)
#define LA_ABI_GIF _gif
#else
#define LA_ABI_GIF
#endif
#if defined(LA_WITH_TIFF)
#define LA_ABI_TIFF _tiff
#else
#define LA_ABI_TIFF
#endif

#define LA_ABI_JOIN_BUILD(isa, loops, math, check, jpeg, webp, heif, gif, tiff) \
  isa##_##loops##_##math##check##jpeg##webp##heif##gif##tiff
#define LA_ABI_EXPAND_BUILD(isa, loops, math, check, jpeg, webp, heif, gif, tiff) \
  LA_ABI_JOIN_BUILD(isa, loops, math, check, jpeg, webp, heif, gif, tiff)
#define LA_ABI_BUILD                                                                                 \
  LA_ABI_EXPAND_BUILD(LA_ABI_ISA, LA_ABI_LOOPS, LA_ABI_MATH, LA_ABI_CHECK, LA_ABI_JPEG, LA_ABI_WEBP, \
                      LA_ABI_HEIF, LA_ABI_GIF, LA_ABI_TIFF)
#endif

#define LA_ABI_JOIN(version, build) version##_##build
#define LA_ABI_EXPAND(version, build) LA_ABI_JOIN(version, build)
#define LA_ABI LA_ABI_EXPAND(LA_ABI_VERSION, LA_ABI_BUILD)
