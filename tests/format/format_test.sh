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
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find la kernels examples tests benchmarks \( -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.cu' \) >"$work/list"
# Copies, many at once. Not with --dry-run, which finds fault with comments behind `namespace a::inline B` that it leaves as
# they are.
mkdir "$work/formatted"
tar -c -T "$work/list" .clang-format | tar -x -C "$work/formatted"
(cd "$work/formatted" && xargs -n 96 -P 2 "$formatter" -i) <"$work/list"
while read -r file; do
  cmp -s "$file" "$work/formatted/$file" || echo "$file"
done <"$work/list" >"$work/wrong"
if [ -s "$work/wrong" ]; then
  cat "$work/wrong"
  echo "run: clang-format-14 -i on these files"
  exit 1
fi
echo "ok: $(wc -l <"$work/list") files"
