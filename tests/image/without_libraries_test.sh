#!/bin/sh
# Pictures in a header-only program that asks for no decoder beside stb_image: JPEG, PNG and BMP are read, and each of the
# others is refused by its name with the package that it takes.
# usage: without_libraries_test.sh SOURCE COMPILER...
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

"$@" -std=c++20 -O1 -pthread -DLA_SOURCE_ROOT="\"$source\"" -I"$source" "$source/tests/main.cpp" \
  "$source/tests/image/image_format_test.cpp" "$source/tests/image/load_test.cpp" "$source/tests/image/formats_test.cpp" \
  -o "$work/pictures"
"$work/pictures" --no-intro --test-case="image format: *,load: *,formats: JPEG by stb_image*" >"$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
grep "test cases" "$work/log"
! nm -uC "$work/pictures" | grep -E " (jpeg_|WebP|heif_|DGif|TIFF)" ||
  { echo "failed: a decoder's library is linked that nobody asked for"; exit 1; }
