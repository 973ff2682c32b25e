#!/bin/sh
# clang-tidy (14, as Debian 12 has it) finds nothing in la's sources; what it looks for is in .clang-tidy. Its path-sensitive
# analyzer takes as long as all else together: LA_TIDY=all asks it too.
# No command of the build names the files that it reads: they get the flags of `quantize`, which uses each of la's packages.
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
flags=$(ninja -C "$build" -t commands examples/quantize | grep -m 1 -e ' -c .*quantize' |
  grep -oE -e ' (-I|-isystem ?|-D|-std=|-W|-fopenmp-simd)[^ ]*' | grep -v LA_DATA_DIR | tr '\n' ' ')
cd "$build"  # that the flags' paths are relative to
# shellcheck disable=SC2086
printf '%s\n' "$work/sources0.cpp" "$work/sources1.cpp" "$source/la/c/la.cpp" |
  xargs -P 2 -I FILE "$tidy" --config-file="$source/.clang-tidy" --quiet --checks="$less" FILE -- $flags >"$work/log" 2>"$work/errors" ||
  { cat "$work/log" "$work/errors"; exit 1; }
echo "ok: $(wc -l <"$work/list") files"
