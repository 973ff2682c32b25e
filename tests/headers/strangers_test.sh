#!/bin/sh
# What other programs bring along: macros of la's names and traps for invalid numbers (run with the first compiler that is
# here, read by the others), -ffast-math, and a compiler that is told another standard, which is one error.
# usage: strangers_test.sh SOURCE COMPILER...
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

checked=0
for compiler in "$@"; do
  command -v "$compiler" >/dev/null || continue
  if [ "$checked" = 0 ]; then
    "$compiler" -std=c++20 -O1 -march=native -pthread -I"$source" "$source/tests/headers/macros.cpp" -o "$work/macros" \
      -lsimdjson -lutf8proc
    "$work/macros" "$source/data/shapes" "$source/data/pictures/shapes.png"
  else
    "$compiler" -std=c++20 -march=native -fsyntax-only -I"$source" "$source/tests/headers/macros.cpp"
  fi
  "$compiler" -std=c++20 -O2 -ffast-math -I"$source" "$source/tests/headers/fast_math.cpp" -o "$work/fast" -pthread -lsimdjson \
    -lutf8proc
  "$work/fast"
  echo '#include <la/la.hpp>' >"$work/old.cpp"
  ! "$compiler" -std=c++17 -fsyntax-only -I"$source" "$work/old.cpp" 2>"$work/log" ||
    { echo "FAILED: $compiler takes C++17"; exit 1; }
  errors=$(grep -c 'error:' "$work/log")
  [ "$errors" = 1 ] || { echo "FAILED: $compiler says $errors errors of C++17"; head -20 "$work/log"; exit 1; }
  grep -q 'la needs C++20' "$work/log"
  checked=$((checked + 1))
done
[ "$checked" -gt 0 ] || { echo "skipped: none of $* was found"; exit 77; }
