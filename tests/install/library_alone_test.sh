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

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

quietly() {
  "$@" >"$root/log" 2>&1 && return 0
  tail -n 60 "$root/log" >&2
  fail "$*"
}

quietly meson setup "$root/meson" "$source" -Dtests=false -Dbenchmarks=false -Dprograms=false
! grep -i -e doctest -e eigen "$root/meson/meson-logs/meson-log.txt" || fail 'the library alone looks for doctest or Eigen'
steps=$(ninja -C "$root/meson" -n | tail -n 1 | sed 's/^\[[0-9]*\/\([0-9]*\)\].*/\1/')
[ "$steps" -lt 45 ] || fail "the library alone is built in $steps steps, expected fewer than 45"
echo "ok: the library alone, in $steps steps"
! meson setup "$root/none" "$source" -Dprograms=false >"$root/log" 2>&1 || fail 'tests are configured without programs'
grep -q 'tests: expected the programs' "$root/log" || fail 'no word of why tests cannot be had without programs'

command -v cmake >/dev/null || { echo 'skipped: cmake was not found'; exit 0; }
mkdir "$root/part" "$root/fetched"
cat >"$root/part/main.cpp" <<'END'
#include <cstdio>
#include <set>
#include <la/la.hpp>
#include <kernels/dispatch.hpp>
int main(int, char** argv) {
  std::set<std::string> isas;
  for (const la::kernels::Isa& isa : la::kernels::built_in_isas()) isas.insert(isa.name);
  auto session = la::Session::open(argv[1]);
  for (const char* name : {"shapes.png", "turned.jpg"}) {
    auto image = session.encode(la::load_image(std::string(argv[2]) + "/" + name));
    for (const la::Item& item : session.ground(image, "red circle").items) std::printf("%s ", item.label.c_str());
  }
  for (const std::string& isa : isas) std::printf("%s ", isa.c_str());
}
END
cp "$root/part/main.cpp" "$root/fetched"
for part in 'part add_subdirectory("${LA_SOURCE}/la" la)' \
  'fetched include(FetchContent)\nFetchContent_Declare(la SOURCE_DIR "${LA_SOURCE}" SOURCE_SUBDIR la)\nFetchContent_MakeAvailable(la)'; do
  # shellcheck disable=SC2059
  printf "cmake_minimum_required(VERSION 3.18)\nproject(consumer CXX)\n${part#* }\nadd_executable(consumer main.cpp)\ntarget_link_libraries(consumer la::la)\n" \
    >"$root/${part%% *}/CMakeLists.txt"
  quietly cmake -G Ninja -S "$root/${part%% *}" -B "$root/${part%% *}/build" -DLA_SOURCE="$source" -DCMAKE_BUILD_TYPE=Debug
done
# Both configure; one is built, not optimized but for its kernels.
quietly cmake --build "$root/fetched/build"
found=$("$root/fetched/build/consumer" "$source/data/shapes" "$source/data/pictures")
case $found in
  'red circle '*" ${isas% }"*) echo "ok: FetchContent and add_subdirectory: $isas" ;;
  *) fail "expected a red circle and $isas, found '$found'" ;;
esac
