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
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Half of the sources at once, as most of the time goes to headers that all of them include.
less='-bugprone-suspicious-include'
[ "${LA_TIDY:-}" = all ] || less="$less,-clang-analyzer-*"
find "$source/la" -name '*.cpp' ! -path '*/la/c/*' | sort >"$work/list"
for half in 0 1; do
  awk -v half="$half" 'NR % 2 == half { print "#include \"" $0 "\"" }' "$work/list" >"$work/sources$half.cpp"
done
printf '%s\n' "$work/sources0.cpp" "$work/sources1.cpp" "$source/la/c/la.cpp" |
  xargs -P 2 -n 1 "$tidy" -p "$build" --config-file="$source/.clang-tidy" --quiet --checks="$less" >"$work/log" 2>"$work/errors" ||
  { cat "$work/log" "$work/errors"; exit 1; }
echo "ok: $(wc -l <"$work/list") files"
