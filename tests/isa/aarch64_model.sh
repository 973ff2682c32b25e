#!/bin/sh
# Builds the library and the model's golden test for aarch64, and runs it in qemu with the NEON kernels: the stages
# and every answer, token for token. (Dot products serve integer weights, which the goldens have none of.) Also
# pictures, whose JPEG decoder has NEON code, and memory.
# usage: aarch64_model.sh SOURCE BUILD CXX QEMU KERNELS PACKAGES LIBRARY_SOURCE...     (KERNELS: as aarch64.sh has them)
set -eu
source=$1 build=$2 cxx=$3 qemu=$4 kernels=$5 packages=$6
shift 6
if [ "$cxx" = absent ] || [ "$qemu" = absent ]; then
  echo "skipped: aarch64-linux-gnu-g++ is $cxx, qemu-aarch64 is $qemu (packages g++-aarch64-linux-gnu, qemu-user)"
  exit 77
fi
if [ ! -f "$packages/unpacked" ]; then
  echo "skipped: arm64 simdjson and utf8proc are not in $packages (sh tests/isa/aarch64_packages.sh $packages)"
  exit 77
fi
mkdir -p "$build"
libraries=$packages/usr/lib/aarch64-linux-gnu

compile() {
  out=$build/$1.o
  file=$2
  shift 2
  "$cxx" -std=c++20 -pthread "$@" -DLA_COMPILED -DLA_BUILT_NEON -DLA_SOURCE_ROOT="\"$source\"" \
    -I"$source" -I"$packages/usr/include" -idirafter /usr/include -c "$file" -o "$out"
  objects="$objects $out"
}

objects="$kernels/aarch64_scalar.o $kernels/aarch64_neon.o"
for file in "$@"; do echo "#include \"$file\""; done >"$build/library.cpp"
compile library "$build/library.cpp" -O2
compile main "$source/tests/main.cpp" -O0
compile golden "$source/tests/model/golden_test.cpp" -O1
compile load "$source/tests/image/load_test.cpp" -O1
compile tensor "$source/tests/core/tensor_test.cpp" -O1
"$cxx" -pthread $objects -L"$libraries" -lsimdjson -lutf8proc -o "$build/golden"

sysroot=$("$cxx" -print-file-name=libc.so.6)
LA_TEST_ISA=neon "$qemu" -L "${sysroot%/lib/*}" -E LD_LIBRARY_PATH="$libraries" "$build/golden" --no-intro \
  --test-case="*first logits*,*every ISA,load: *,storage: *"
