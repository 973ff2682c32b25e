#!/bin/sh
# Every C++ file is as clang-format 14 leaves it (other versions break some lines elsewhere).
# usage: format_test.sh SOURCE
set -eu
cd "$1"
formatter=$(command -v clang-format-14 || command -v clang-format || true)
case $("${formatter:-false}" --version 2>/dev/null || true) in
  *version\ 14.*) ;;
  *) echo "skipped: clang-format 14 was not found"; exit 77 ;;
esac
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find la kernels examples tests benchmarks \( -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.cu' \) >"$list"
# Not with --dry-run, which finds fault with comments behind `namespace a::inline B` that it leaves as they are.
export formatter
# shellcheck disable=SC2016
xargs -n 32 -P 2 sh -c 'status=0
  for file; do
    "$formatter" "$file" | cmp -s - "$file" || { echo "$file"; status=1; }
  done
  exit $status' sh <"$list" || { echo "run: clang-format-14 -i on these files"; exit 1; }
echo "ok: $(wc -l <"$list") files"
