#!/bin/sh
# Installs the build into a temporary directory and uses it from there in every way that is promised:
# install_test.sh SOURCE_ROOT BUILD_ROOT COMPILER...
set -eu
source=$1
build=$2
shift 2
compiler=$*

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
stage=$root/stage
export HOME="$root"

. "$source/tests/install/quietly.sh"

# Whether a tool is there; a missing one is told, not passed over.
have() {
  command -v "$1" >/dev/null && return 0
  echo "skipped: $2, as $1 was not found"
  return 1
}

# The example for embedders must find the red circle.
check_program() {
  found=$("$1" "$source/data/shapes" "$source/data/pictures/shapes.png" 'red circle') || fail "$2: the program failed"
  case $found in
    'red circle '[0-9]*) echo "ok: $2" ;;
    *) fail "$2: expected a box of the red circle, found '$found'" ;;
  esac
}

DESTDIR=$stage meson install -C "$build" --no-rebuild --quiet
# Somewhere else than it was installed: nothing may know the old place.
header=$(find "$stage" -path '*/la/la.hpp')
[ -n "$header" ] || fail "la/la.hpp was not installed"
prefix=$(cd "$(dirname "$header")/../../.." && pwd)
mv "$prefix" "$root/moved"
find "$root/moved" -name '*.pc' -o -name 'la-config*.cmake' | xargs grep -l -e "${prefix#"$stage"}/" &&
  fail 'package files name the place that la was installed to'
stage=$root/moved
pkgconfig=$(dirname "$(find "$stage" -name la.pc)")
header=$(find "$stage" -path '*/la/la.hpp')
[ -n "$header" ] || fail "la/la.hpp was not installed"
include=$(dirname "$(dirname "$header")")

if have pkg-config 'use through pkg-config'; then
  export PKG_CONFIG_PATH="$pkgconfig"
  # shellcheck disable=SC2046,SC2086
  $compiler -std=c++20 $(pkg-config --cflags la) "$source/examples/embed.cpp" -o "$root/by_pkg_config" $(pkg-config --libs la)
  check_program "$root/by_pkg_config" 'use through pkg-config'

  mkdir "$root/meson"
  cp "$source/examples/embed.cpp" "$root/meson"
  cat >"$root/meson/meson.build" <<'EOF'
project('consumer', 'cpp', default_options: ['cpp_std=c++20'])
executable('embed', 'embed.cpp', dependencies: dependency('la'))
EOF
  quietly meson setup "$root/meson/build" "$root/meson"
  quietly meson compile -C "$root/meson/build"
  check_program "$root/meson/build/embed" "use through Meson's dependency('la')"
  unset PKG_CONFIG_PATH
fi

if have cmake 'use through CMake'; then
  mkdir "$root/cmake"
  cat >"$root/cmake/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.16)
project(consumer CXX)
find_package(la \${LA_WANTED} REQUIRED)
add_executable(embed "$source/examples/embed.cpp")
target_link_libraries(embed la::la)
EOF
  config=$(dirname "$(find "$stage" -name la-config.cmake)")
  version=$(sed -n 's/.*define LA_VERSION "\([0-9.]*\)".*/\1/p' "$source/la/version.hpp")
  minor=${version#*.}
  minor=${minor%%.*}
  quietly cmake -S "$root/cmake" -B "$root/cmake/build" -Dla_DIR="$config" "-DLA_WANTED=${version%.*}"
  for wanted in "${version%%.*}.$((minor + 1))" "$((${version%%.*} + 1))"; do
    ! cmake -S "$root/cmake" -B "$root/cmake/refused" -Dla_DIR="$config" "-DLA_WANTED=$wanted" >"$root/log" 2>&1 ||
      fail "find_package(la $wanted) takes version $version"
    grep -q "requested version \"$wanted\"" "$root/log" || { cat "$root/log"; fail "find_package(la $wanted)"; }
  done
  quietly cmake --build "$root/cmake/build"
  check_program "$root/cmake/build/embed" 'use through CMake'
fi

# Without the library: the headers alone.
# shellcheck disable=SC2086
$compiler -std=c++20 -O1 -pthread -I "$include" "$source/examples/embed.cpp" -o "$root/header_only" -lsimdjson -lutf8proc
check_program "$root/header_only" 'use of the headers alone'

ground=$(find "$stage" -path '*/bin/ground')
[ -x "$ground" ] || fail "bin/ground was not installed"
(cd "$root" && quietly "$ground")
[ -s "$root/out.png" ] || fail 'the installed ground drew no out.png'
[ -f "$(dirname "$(dirname "$ground")")/share/la/shapes/config.json" ] || fail 'the bundled checkpoint was not installed'
echo 'ok: the installed ground'
