#!/bin/sh
# Every CUDA kernel compiles to PTX without a CUDA toolkit and without warnings, and needs nothing that is not in it.
# usage: ptx_test.sh SOURCE CLANG
set -eu
clang=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$clang" --print-targets 2>/dev/null | grep -q nvptx64 || { echo "skipped: $clang has no NVPTX target"; exit 77; }
for card in sm_80 sm_90; do
  # clang 14 knows no sm_90
  "$clang" -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=$card -S -o /dev/null - </dev/null \
    2>/dev/null || { echo "$card: not known to $("$clang" -dumpversion)"; continue; }
  "$clang" -std=c++20 -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=$card -O3 -Wall -Wextra -Werror \
    -Wno-unknown-cuda-version -S "$1/kernels/cuda/module.cu" -o "$work/module.ptx"
  # A function that is declared but not there is what the driver would refuse at load.
  if grep -q '^\.extern \.func' "$work/module.ptx"; then
    grep '^\.extern \.func' "$work/module.ptx"
    exit 1
  fi
  # Arrays that are not registers: every access would go through memory.
  if grep -q '__local_depot' "$work/module.ptx"; then
    echo "$card: local memory in a kernel"
    exit 1
  fi
  for kernel in $(sed -n 's/^  KERNEL(\([a-z_0-9]*\),.*/\1/p' "$1/kernels/cuda/module.hpp"); do
    grep -q "\.entry $kernel(" "$work/module.ptx" || { echo "$card: kernel $kernel is missing"; exit 1; }
  done
  echo "ok: $card, $(grep -c '\.entry' "$work/module.ptx") kernels"
done
