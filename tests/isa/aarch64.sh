#!/bin/sh
# Builds the kernel tests for aarch64 with every kernel library, and runs them in qemu: on a processor with all
# instruction sets, on one without matrix products, and on one without dot products, which must not be chosen there.
# usage: aarch64.sh SOURCE BUILD CXX QEMU KERNELS TEST...     (KERNELS: the folder of aarch64_neon.o and the like)
set -eu
source=$1 build=$2 cxx=$3 qemu=$4 kernels=$5
shift 5
if [ "$cxx" = absent ] || [ "$qemu" = absent ]; then
  echo "skipped: aarch64-linux-gnu-g++ is $cxx, qemu-aarch64 is $qemu (packages g++-aarch64-linux-gnu, qemu-user)"
  exit 77
fi
mkdir -p "$build"

# doctest and xsimd are headers for every machine; /usr/include comes last, after the cross compiler's own.
compile() {
  out=$build/$1.o
  file=$2
  shift 2
  "$cxx" -std=c++20 "$@" -DLA_COMPILED -DLA_BUILT_NEON -DLA_BUILT_NEONDOT -DLA_BUILT_NEONI8MM \
    -DLA_SOURCE_ROOT="\"$source\"" \
    -I"$source" -idirafter /usr/include -c "$file" -o "$out"
  objects="$objects $out"
}

objects=
for isa in scalar neon neondot neoni8mm; do objects="$objects $kernels/aarch64_$isa.o"; done
compile dispatch "$source/kernels/dispatch.cpp" -O1
compile main "$source/tests/main.cpp" -O0
for test in "$@"; do compile "$(basename "$test" .cpp)" "$test" -O1; done
"$cxx" -static $objects -o "$build/unit"

for isa in neon neondot neoni8mm; do "$source/tests/isa/symbols.sh" nm "$isa" "$kernels/aarch64_$isa.o"; done
"$qemu" "$build/unit" --no-intro
"$qemu" -cpu cortex-a76 "$build/unit" --no-intro --test-case="dispatch*,qgemm*"
"$qemu" -cpu cortex-a53 "$build/unit" --no-intro
