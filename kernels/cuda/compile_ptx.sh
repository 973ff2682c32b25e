#!/bin/sh
# Compiles the CUDA kernels to PTX, without a CUDA toolkit.
# usage: compile_ptx.sh CLANG SOURCE CARD OUT    CARD: 80 or 90
# 2: the compiler does not know the card
set -eu
clang=$1 source=$2 card=$3 out=$4
case $card in
  80) features='-Xclang -target-feature -Xclang +ptx75' ;;  # for ld.global.L1::no_allocate; clang alone says 7.0
  *) features= ;;
esac
compile() {  # FILE OUT
  # shellcheck disable=SC2086
  "$clang" -std=c++20 -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch="sm_$card" $features -O3 -ffp-contract=off -Wall \
    -Wextra -Werror -Wno-unknown-cuda-version -S "$1" -o "$2"
}
compile /dev/null /dev/null 2>/dev/null || exit 2
compile "$source/kernels/cuda/module.cu" "$out"
