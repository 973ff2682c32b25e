#!/bin/sh
# Compiles the CUDA kernels to PTX, without a CUDA toolkit, and writes them as C++ text.
# usage: embed_ptx.sh CLANG SOURCE OUT
set -eu
clang=$1
source=$2
out=$3
{
  echo '#include "la/ops/cuda/card.hpp"'
  echo 'namespace la::inline LA_ABI::cuda {'
  echo 'extern const Ptx kPtx[];'
  echo 'extern const std::size_t kPtxCount;'
  echo 'const Ptx kPtx[] = {'
  for card in 80 90; do
    # clang 14 knows no sm_90; its cards take what is made for sm_80
    status=0
    sh "$source/kernels/cuda/compile_ptx.sh" "$clang" "$source" $card "$out.ptx" || status=$?
    [ $status != 2 ] || [ $card = 80 ] || continue
    [ $status = 0 ] || exit $status
    printf '    {%s, R"PTX(' $card
    cat "$out.ptx"
    echo ')PTX"},'
    rm "$out.ptx"
  done
  echo '};'
  echo 'const std::size_t kPtxCount = sizeof kPtx / sizeof kPtx[0];'
  echo '}  // namespace la::inline LA_ABI::cuda'
} >"$out"
