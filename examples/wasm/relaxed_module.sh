#!/bin/sh
# Compiles the products of relaxed-simd, which emscripten's clang may not know, to a module that shares another's memory,
# and writes it as C++ text.
# usage: relaxed_module.sh CLANG SYSROOT SOURCE OUT [shared]; shared: for several threads
set -eu
clang=$1 sysroot=$2 source=$3 out=$4 atomics='' shared=''
[ "${5:-}" != shared ] || atomics=-matomics shared=-Wl,--shared-memory,--max-memory=4294967296
target="--target=wasm32-unknown-emscripten --sysroot=$sysroot"
# As em++ calls its own clang.
# shellcheck disable=SC2086
"$clang" $target -isystem "$sysroot/include/compat" -std=c++20 -O3 -fno-exceptions -fno-rtti -fPIC -fvisibility=hidden \
  -msimd128 -mrelaxed-simd -mbulk-memory $atomics -D__SSE__ -D__SSE2__ -D__SSE3__ -D__SSSE3__ -D__SSE4_1__ -w \
  -I"$source" -idirafter /usr/include -MD -MF "$out.d" -MT "$out" -c "$source/kernels/isa/wasmrelaxed.cpp" -o "$out.o"
# Without -O, which would hand it to binaryen.
# shellcheck disable=SC2086
"$clang" $target -nostdlib -shared -Wl,--experimental-pic,--no-entry,--strip-all,--gc-sections $shared "$out.o" -o "$out.wasm"
{
  echo '#include <cstddef>'
  echo '#include <cstdint>'
  echo 'extern const std::uint8_t la_relaxed_module[];'
  echo 'extern const std::size_t la_relaxed_module_size;'
  echo 'const std::uint8_t la_relaxed_module[] = {'
  od -An -v -tu1 "$out.wasm" | sed 's/ *\([0-9][0-9]*\)/\1,/g'
  echo '};'
  echo 'const std::size_t la_relaxed_module_size = sizeof la_relaxed_module;'
} >"$out"
rm "$out.o" "$out.wasm"
