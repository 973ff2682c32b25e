#!/bin/sh
# JPEG by arm64's libjpeg-turbo, whose NEON code is not that of x86: the pixels of PIL all the same, every byte.
# usage: aarch64_jpeg.sh SOURCE BUILD CXX QEMU PACKAGES
set -eu
source=$1 build=$2 cxx=$3 qemu=$4 packages=$5
if [ "$cxx" = absent ] || [ "$qemu" = absent ]; then
  echo "skipped: aarch64-linux-gnu-g++ is $cxx, qemu-aarch64 is $qemu (packages g++-aarch64-linux-gnu, qemu-user)"
  exit 77
fi
if [ ! -f "$packages/unpacked" ]; then
  echo "skipped: arm64 libjpeg-turbo is not in $packages (sh tests/isa/aarch64_packages.sh $packages)"
  exit 77
fi
mkdir -p "$build"
libraries=$packages/usr/lib/aarch64-linux-gnu
"$cxx" -std=c++20 -O1 -pthread -DLA_WITH_JPEG -DLA_SOURCE_ROOT="\"$source\"" -I"$source" -I"$packages/usr/include" \
  -I"$packages/usr/include/aarch64-linux-gnu" -idirafter /usr/include \
  "$source/tests/main.cpp" "$source/tests/image/formats_test.cpp" -L"$libraries" -ljpeg -o "$build/jpeg"

sysroot=$("$cxx" -print-file-name=libc.so.6)
"$qemu" -L "${sysroot%/lib/*}" -E LD_LIBRARY_PATH="$libraries" "$build/jpeg" --no-intro --test-case="formats: *JPEG*"
