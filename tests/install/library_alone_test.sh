#!/bin/sh
# The library as part of other builds: configured without what only programs and tests need, and built by CMake, from
# add_subdirectory and FetchContent.
# usage: library_alone_test.sh SOURCE ISAS COMPILER...
#   ISAS: the instruction sets that Meson builds, by commas
set -eu
source=$1
isas=$(echo "$2" | tr , '\n' | sort | tr '\n' ' ')
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM
export CXX="$*"

. "$source/tests/install/quietly.sh"

quietly meson setup "$root/meson" "$source" -Dtests=false -Dbenchmarks=false -Dprograms=false
! grep -i -e doctest -e eigen "$root/meson/meson-logs/meson-log.txt" || fail 'the library alone looks for doctest or Eigen'
steps=$(ninja -C "$root/meson" -n | tail -n 1 | sed 's/^\[[0-9]*\/\([0-9]*\)\].*/\1/')
[ "$steps" -lt 45 ] || fail "the library alone is built in $steps steps, expected fewer than 45"
echo "ok: the library alone, in $steps steps"
! meson setup "$root/none" "$source" -Dprograms=false >"$root/log" 2>&1 || fail 'tests are configured without programs'
grep -q 'tests: expected the programs' "$root/log" || fail 'no word of why tests cannot be had without programs'

command -v cmake >/dev/null || { echo 'skipped: cmake was not found'; exit 0; }
for part in 'part add_subdirectory("${LA_SOURCE}/la" la)' \
  'fetched include(FetchContent)\nFetchContent_Declare(la SOURCE_DIR "${LA_SOURCE}" SOURCE_SUBDIR la)\nFetchContent_MakeAvailable(la)'; do
  name=${part%% *}
  mkdir "$root/$name"
  # shellcheck disable=SC2059
  printf "cmake_minimum_required(VERSION 3.18)
project(consumer CXX)
${part#* }
add_executable(consumer \"\${LA_SOURCE}/tests/signature/signature.cpp\")
target_link_libraries(consumer la::la)
" >"$root/$name/CMakeLists.txt"
  quietly cmake -G Ninja -S "$root/$name" -B "$root/$name/build" -DLA_SOURCE="$source" -DCMAKE_BUILD_TYPE=Debug
  built=$(ninja -C "$root/$name/build" -t targets all | sed -n 's/.*la_kernels_\([a-z0-9]*\)[.]dir.*[.]o: .*/\1/p' | sort -u | tr '\n' ' ')
  [ "$built" = "$isas" ] || fail "$name: expected kernels for $isas, found $built"
done
# One is built, not optimized but for its kernels, and those of one set.
quietly cmake -S "$root/fetched" -B "$root/fetched/build" -DLA_ISAS="scalar;$(echo "$isas" | tr ' ' '\n' | grep -m 1 -x -e avx2 -e neon)"
quietly cmake --build "$root/fetched/build"
found=$("$root/fetched/build/consumer" "$source/data")
[ -n "$found" ] || fail 'FetchContent: no signature'
echo "$found" | while read -r hash isa; do
  [ "$hash" = "$(cat "$source/tests/signature/expected")" ] || fail "FetchContent: the signature of $isa is $hash"
done
echo "ok: add_subdirectory and FetchContent: $isas"
