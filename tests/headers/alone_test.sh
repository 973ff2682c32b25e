#!/bin/sh
# Every header compiles by itself, with its body (header-only) and without (LA_COMPILED), and two files that include all of
# la link into one program.
# usage: alone_test.sh SOURCE COMPILER...
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

check_alone() {  # COMPILER FLAG...
  find "$source/la" -name '*.hpp' | sort >"$work/headers"
  sed 's#.*#\#include "&"#' "$work/headers" | split -l 1 -a 3 -d - "$work/one." --additional-suffix=.cpp
  # shellcheck disable=SC2016
  printf '%s\n' "$work"/one.*.cpp | xargs -P 2 -I{} sh -c '
    file=$1; shift
    "$@" "$file" >"$file.log" 2>&1 || { cat "$file"; grep -m 2 error "$file.log"; touch "$file.failed"; }' sh {} \
    "$@" -std=c++20 -fsyntax-only -pthread -Wall -Wextra -isystem /usr/include/eigen3
  ! ls "$work"/one.*.failed >/dev/null 2>&1 || { echo "failed: headers that do not compile alone with $*"; exit 1; }
  echo "$*: $(wc -l <"$work/headers") headers compile alone"
  rm -f "$work"/one.*
}

checked=0
for compiler in "$@"; do
  command -v "$compiler" >/dev/null || continue
  case $compiler in
    *clang*) check_alone "$compiler" ;;
    *) check_alone "$compiler" -DLA_COMPILED ;;
  esac
  for part in main other; do
    "$compiler" -std=c++20 -O0 -pthread -I "$source" -c "$source/tests/headers/link_$part.cpp" -o "$work/$part.o"
  done
  "$compiler" -pthread "$work/main.o" "$work/other.o" -o "$work/linked" -lsimdjson -lutf8proc
  (cd "$source" && "$work/linked")
  echo "$compiler: two header-only files link"
  checked=$((checked + 1))
done
[ "$checked" -gt 0 ] || exit 77
