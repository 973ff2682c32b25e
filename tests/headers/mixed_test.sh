#!/bin/sh
# Files of one program that were compiled with different flags, and one that uses the library: each keeps the kernels that it
# was compiled for, whatever is linked first, and the one that has only scalar ones says so, to the compiler and when it runs.
# usage: mixed_test.sh SOURCE BUILD COMPILER...
set -eu
source=$1
build=$2
shift 2
[ "$(uname -m)" = x86_64 ] || { echo 'skipped: the flags are those of x86-64'; exit 77; }
grep -q avx2 /proc/cpuinfo || { echo 'skipped: this CPU has no AVX2'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

file() {  # NAME FLAG...: not optimized, so that nothing is inlined and the linker has functions to choose from
  name=$1
  shift
  "$compiler" -std=c++20 -O0 -I "$source" "-DLA_TEST_NAME=$name" "$@" -c "$source/tests/headers/mixed_file.cpp" -o "$work/$name.o" \
    2>"$work/$name.log" || { cat "$work/$name.log"; exit 1; }
}

checked=0
for compiler in "$@"; do
  command -v "$compiler" >/dev/null || continue
  file baseline -march=x86-64
  file avx2 -march=x86-64-v3
  file avxvnni -march=alderlake
  file avx512 -march=x86-64-v4
  file fast_math -march=x86-64-v3 -ffast-math
  file with_library -DLA_COMPILED
  "$compiler" -std=c++20 -c "$source/tests/headers/mixed_main.cpp" -o "$work/main.o"
  grep -q 'march=native' "$work/baseline.log" || { echo "FAILED: $compiler did not warn of scalar kernels"; exit 1; }
  for name in avx2 avxvnni avx512 with_library; do
    [ ! -s "$work/$name.log" ] || { echo "FAILED: $compiler on $name:"; cat "$work/$name.log"; exit 1; }
  done
  file baseline -march=x86-64 -DLA_SCALAR
  [ ! -s "$work/baseline.log" ] || { echo "FAILED: $compiler warned in spite of LA_SCALAR"; exit 1; }
  # shellcheck disable=SC2046
  libraries=$(cd "$build" && echo libla.a libla_kernels_*.a)
  for order in 'baseline avx2 avxvnni avx512 fast_math' 'avx512 fast_math avxvnni avx2 baseline'; do
    # shellcheck disable=SC2046,SC2086
    (cd "$build" && "$compiler" "$work/main.o" $(printf "$work/%s.o " $order) "$work/with_library.o" $libraries -o "$work/mixed")
    "$work/mixed" >"$work/found"
    diff - "$work/found" <<EOF || { echo "FAILED: $compiler, linked as $order"; exit 1; }
baseline: scalar, warned
avx2: avx2
avxvnni: avxvnni
avx512: avx512
fast math: avx2
library: amx
EOF
  done
  echo "$compiler: six ways to use la in one program"
  checked=$((checked + 1))
done
[ "$checked" -gt 0 ] || exit 77
