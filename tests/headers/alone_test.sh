#!/bin/sh
# Every header compiles by itself, with its body (header-only) and without (LA_COMPILED), and two files that include all of
# la link into one program.
# usage: alone_test.sh SOURCE COMPILER...     (the last that is here is asked)
#
# A header with a body is compiled without it by the build, and by itself with it where bodies.py finds nothing; one that
# has none compiles with the bodies of others when it does without them and they do alone.
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

python3 "$source/tests/headers/bodies.py" "$source" >"$work/without_bodies"
echo "bodies are read behind all that they include, in $(find "$source/la" -name '*.hpp' | wc -l) headers"

check_alone() {  # COMPILER FLAG...
  sed 's#.*#\#include "&"#' "$work/without_bodies" | split -l 1 -a 3 -d - "$work/one." --additional-suffix=.cpp
  # shellcheck disable=SC2016
  printf '%s\n' "$work"/one.*.cpp | xargs -P 2 -I{} sh -c '
    file=$1; shift
    "$@" "$file" >"$file.log" 2>&1 || { cat "$file"; grep -m 2 error "$file.log"; touch "$file.failed"; }' sh {} \
    "$@" -std=c++20 -fsyntax-only -pthread -Wall -Wextra -isystem /usr/include/eigen3
  ! ls "$work"/one.*.failed >/dev/null 2>&1 || { echo "failed: headers that do not compile alone with $*"; exit 1; }
  echo "$*: $(wc -l <"$work/without_bodies") headers without a body compile alone"
}

found=''
for compiler in "$@"; do
  ! command -v "$compiler" >/dev/null || found=$compiler
done
[ -n "$found" ] || exit 77
compiler=$found
for part in main other; do
  "$compiler" -std=c++20 -O0 -pthread -I "$source" -c "$source/tests/headers/link_$part.cpp" -o "$work/$part.o"
done
"$compiler" -pthread "$work/main.o" "$work/other.o" -o "$work/linked" -lsimdjson -lutf8proc
(cd "$source" && "$work/linked")
echo "$compiler: two header-only files link"
check_alone "$compiler" -DLA_COMPILED
