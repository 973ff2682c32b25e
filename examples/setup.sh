#!/bin/sh
# Installs what is missing (Debian 12 or later, as root) and builds the programs into build/; with `tests`, everything.
set -eu
cd "$(dirname "$0")/.."

packages="g++ meson ninja-build pkg-config libsimdjson-dev libutf8proc-dev libstb-dev libxsimd-dev libeigen3-dev doctest-dev libsimde-dev"
packages="$packages libjpeg62-turbo-dev libwebp-dev libheif-dev libgif-dev libtiff-dev libarchive-dev libcpp-httplib-dev"
if [ "${1:-}" = tests ]; then
  # For the tests alone: the NEON kernels are cross-built and run under an emulator, the packaging is tried with CMake,
  # Debian 13 in a folder of its own, videos are drawn and read, batch runs over ranks of MPI, labels are drawn in many
  # scripts, numbers are written under other languages' locales, CUDA
  # kernels run on an emulated card and are compiled to PTX, and WebAssembly is run by node and in a browser.
  packages="$packages g++-aarch64-linux-gnu qemu-user cmake debootstrap ffmpeg libopenmpi-dev openmpi-bin"
  packages="$packages fonts-dejavu-core fonts-droid-fallback locales libboost-context-dev clang emscripten clang-19 lld-19 chromium chromium-driver"
fi

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# From Debian 13 on libheif loads its decoders from packages of their own.
for package in libheif-plugin-dav1d libheif-plugin-libde265; do
  dpkg-query -W "$package" >/dev/null 2>&1 || [ -z "$(apt-cache search --names-only "^$package\$")" ] ||
    missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "installing:$missing" >&2
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if [ "${1:-}" = tests ] && [ ! -f build/wasm_packages/unpacked ]; then
  sh examples/wasm/packages.sh build/wasm_packages && missing="$missing sources" ||
    echo "the sources of simdjson and utf8proc could not be fetched: WebAssembly will not be built" >&2
fi
if [ ! -f build/build.ninja ]; then
  # Several files at once compile in half the time. Where files are changed: meson configure build -Dunity=off
  meson setup build -Dunity=on -Dunity_size=8
elif [ -n "$missing" ]; then
  meson setup --reconfigure build  # with what is there now
fi
if [ "${1:-}" = tests ]; then
  sh tests/isa/aarch64_packages.sh build/aarch64_packages ||
    echo "the arm64 packages could not be fetched: the model's test on aarch64 will be skipped" >&2
  node tests/web/npm_packages.mjs build/node_modules ||
    echo "the packages of npm could not be fetched: OpenAI's client and the page's accessibility will not be tried" >&2
  ninja -C build
else
  ninja -C build examples/ground examples/batch examples/quantize examples/serve
fi
