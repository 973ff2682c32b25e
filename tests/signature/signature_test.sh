#!/bin/sh
# The hash of all answers must be the recorded one: on every instruction set of the library, and header-only with each
# compiler that is here.
# usage: signature_test.sh SOURCE COMPILED GXX CLANGXX     (COMPILED: signature.cpp on the library)
set -eu
source=$1 compiled=$2 gxx=$3 clangxx=$4
expected=$(cat "$source/tests/signature/expected")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failed=0

# check WHAT COMMAND...: every line that it prints is "HASH ISA".
check() {
  what=$1
  shift
  "$@" >"$here/out"
  [ -s "$here/out" ] || { echo "$what: no instruction set ran" >&2; failed=1; }
  while read -r hash isa; do
    if [ "$hash" = "$expected" ]; then
      echo "ok: $what, $isa"
    else
      echo "$what, $isa: expected $expected, found $hash" >&2
      failed=1
    fi
  done <"$here/out"
}

# header_only COMPILER ISA FLAG...
header_only() {
  compiler=$1 isa=$2
  shift 2
  if ! command -v "$compiler" >/dev/null; then
    echo "skipped: $compiler was not found"
    return 0
  fi
  "$compiler" -std=c++20 -O1 "$@" -I "$source" "$source/tests/signature/signature.cpp" -o "$here/program" \
    -pthread -lsimdjson -lutf8proc
  check "$compiler $*, headers alone" "$here/program" "$source/data" "$isa"
}

check 'the library' "$compiled" "$source/data"
runnable=$(cut -d ' ' -f 2 "$here/out")
best=$(echo "$runnable" | head -n 1)  # they come best first
header_only "$gxx" "$best" -march=native
header_only "$clangxx" "$best" -march=native
# A set of 256 bits too, by one of them: avxvnni has avx2's floats.
case $best,$(echo $runnable) in
  avxvnni,* | avx2,*) ;;
  *avxvnni*) header_only "$gxx" avxvnni -march=x86-64-v3 -mavxvnni ;;
  *avx2*) header_only "$clangxx" avx2 -march=x86-64-v3 ;;
esac
exit $failed
