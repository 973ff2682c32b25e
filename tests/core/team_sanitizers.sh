#!/bin/sh
# Teams under clang's address sanitizer, which knows when each variable goes (g++'s does not), and its thread sanitizer.
#   team_sanitizers.sh SOURCE CXX      exit code 77: CXX or its sanitizers are not there
set -eu
source=$1 cxx=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo 'int main() {}' >"$out/probe.cpp"
for sanitizer in address,undefined thread; do
  flags="-std=c++20 -O1 -g -pthread -fsanitize=$sanitizer -fno-sanitize-recover=all"
  # shellcheck disable=SC2086
  if ! $cxx $flags "$out/probe.cpp" -o "$out/probe" 2>/dev/null || ! "$out/probe"; then
    echo "skipped: $cxx with -fsanitize=$sanitizer was not found"
    exit 77
  fi
  # shellcheck disable=SC2086
  $cxx $flags -I"$source" "$source/tests/main.cpp" "$source/tests/core/team_test.cpp" \
    "$source/tests/core/parallel_test.cpp" -o "$out/team"
  "$out/team" --no-intro
done
