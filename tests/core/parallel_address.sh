#!/bin/sh
# Threads without OpenMP must end before what they use: clang's address sanitizer knows when each variable goes, g++'s
# does not.
#   parallel_address.sh SOURCE CXX      exit code 77: CXX or its sanitizer is not there
set -eu
source=$1 cxx=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
echo 'int main() {}' > "$out/probe.cpp"
# shellcheck disable=SC2086
if ! $cxx $flags "$out/probe.cpp" -o "$out/probe" 2>/dev/null || ! "$out/probe"; then
  echo "skipped: $cxx with an address sanitizer was not found"
  exit 77
fi
# shellcheck disable=SC2086
$cxx $flags -I"$source" "$source/tests/main.cpp" "$source/tests/core/parallel_test.cpp" -pthread -o "$out/parallel"
"$out/parallel" --no-intro
