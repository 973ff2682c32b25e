#!/bin/sh
# Users include la's headers under their own warnings: they must be clean under the strict ones of every compiler that is
# here, with the kernels of every instruction set, in programs with OpenMP and without: all of la with the last set, the
# kernels alone with the others.
# usage: headers_test.sh [--few] SOURCE COMPILER...     (--few: one set of instructions a compiler)
# The first compiler that is here is asked for every set, the others for the two that hold the most kernels.
# (libc++ is asked without any of them.)
set -eu
few=''
[ "$1" != --few ] || { few=yes && shift; }
source=$1
shift
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror"
case $(uname -m) in
  x86_64)
    sets="-march=x86-64,-fopenmp -march=x86-64-v3 -march=alderlake -march=x86-64-v4,-mavx512vnni,-fopenmp"
    others="-march=alderlake -march=x86-64-v4,-mavx512vnni,-fopenmp"  # libc++ below takes plain x86-64
    ;;
  *) sets="-fopenmp -O1" others=$sets ;;
esac
[ -z "$few" ] || { sets=${sets##* } && others=$sets; }

checked=0
for compiler in "$@"; do
  if ! command -v "$compiler" >/dev/null; then
    echo "skipped: $compiler was not found"
    continue
  fi
  for set in $sets; do
    flags=$(echo "$set" | tr , ' ')
    echo "$compiler $flags"
    file=strict_kernels.cpp
    [ "$set" != "${sets##* }" ] || file=strict.cpp
    # shellcheck disable=SC2086
    "$compiler" -std=c++20 -fsyntax-only $flags $warnings -I "$source" -isystem /usr/include/eigen3 \
      "$source/tests/headers/$file"
    checked=$((checked + 1))
  done
  sets=$others
done
# A standard library without stop tokens and jthread.
if echo '#include <version>' | clang++ -stdlib=libc++ -x c++ -fsyntax-only - 2>/dev/null; then
  clang++ -stdlib=libc++ -std=c++20 -fsyntax-only $warnings -I "$source" -isystem /usr/include/eigen3 \
    "$source/tests/headers/strict.cpp"
  checked=$((checked + 1))
else
  echo 'skipped: clang++ with libc++ was not found'
fi
[ "$checked" -gt 0 ] || exit 77
echo "ok: $checked ways to include la without a warning"
