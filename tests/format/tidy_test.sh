#!/bin/sh
# clang-tidy (14, as Debian 12 has it) finds nothing in la's sources; what it looks for is in .clang-tidy. Its path-sensitive
# analyzer takes as long as all else together: LA_TIDY=all asks it too.
# usage: [LA_TIDY=all] tidy_test.sh SOURCE BUILD
set -eu
tidy=$(command -v clang-tidy-14 || command -v clang-tidy || true)
case $("${tidy:-false}" --version 2>/dev/null || true) in
  *version\ 14.*) ;;
  *) echo "skipped: clang-tidy 14 was not found"; exit 77 ;;
esac
cd "$1"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
less='-clang-analyzer-*'
[ "${LA_TIDY:-}" != all ] || less=
find la -name '*.cpp' | xargs -P 2 -n 4 "$tidy" -p "$2" --quiet --checks="$less" >"$log" 2>/dev/null ||
  { cat "$log"; exit 1; }
echo "ok: $(find la -name '*.cpp' | wc -l) files"
