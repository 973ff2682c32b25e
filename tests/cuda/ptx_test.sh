#!/bin/sh
# Every CUDA kernel compiles to PTX without a CUDA toolkit and without warnings, and needs nothing that is not in it. Where
# a toolkit is at hand, its assembler takes the PTX and spills no register, and its compiler takes the kernels, too.
# usage: ptx_test.sh SOURCE CLANG
set -eu
source=$1 clang=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/local/cuda/bin
"$clang" --print-targets 2>/dev/null | grep -q nvptx64 || { echo "skipped: $clang has no NVPTX target"; exit 77; }

check_text() {  # CARD PTX
  # A function that is declared but not there is what the driver would refuse at load.
  if grep '^\.extern \.func' "$2"; then exit 1; fi
  # Arrays that are not registers: every access would go through memory.
  if grep -q '__local_depot' "$2"; then
    echo "sm_$1: local memory in a kernel"
    exit 1
  fi
  for kernel in $(sed -n 's/^  KERNEL(\([a-z_0-9]*\),.*/\1/p' "$source/kernels/cuda/module.hpp"); do
    grep -q "\.entry $kernel(" "$2" || { echo "sm_$1: kernel $kernel is missing"; exit 1; }
  done
}
assemble() {  # CARD PTX
  command -v ptxas >/dev/null || { echo "sm_$1: no ptxas here to assemble it"; return 0; }
  ptxas -arch="sm_$1" -v "$2" -o "$work/cubin" >"$work/log" 2>&1 || { grep error "$work/log" | head; exit 1; }
  if grep -B 1 ' [1-9][0-9]* bytes spill' "$work/log"; then
    echo "sm_$1: registers spilled"
    exit 1
  fi
  echo "ok: sm_$1 assembled, at most $(sed -n 's/.*Used \([0-9]*\) registers.*/\1/p' "$work/log" | sort -n | tail -n 1) registers"
}

for card in 80 90; do
  status=0
  sh "$source/kernels/cuda/compile_ptx.sh" "$clang" "$source" $card "$work/module.ptx" || status=$?
  if [ $status = 2 ] && [ $card != 80 ]; then  # clang 14
    echo "sm_$card: not known to $("$clang" -dumpversion)"
    continue
  fi
  [ $status = 0 ] || exit 1
  check_text $card "$work/module.ptx"
  echo "ok: sm_$card, $(grep -c '\.entry' "$work/module.ptx") kernels"
  assemble $card "$work/module.ptx"
done

command -v nvcc >/dev/null || { echo 'no nvcc here'; exit 0; }
nvcc -std=c++20 -arch=sm_90 --expt-relaxed-constexpr -Werror all-warnings -ptx "$source/kernels/cuda/module.cu" \
  -o "$work/module.ptx"
check_text 90 "$work/module.ptx"
grep -q 'griddepcontrol.wait' "$work/module.ptx"
echo "ok: nvcc, sm_90"
assemble 90 "$work/module.ptx"
