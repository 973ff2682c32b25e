#!/bin/sh
# libla.so as a stranger sees it: what it exports, its name, and its header under strict C99 and as C++.
# usage: library_test.sh SOURCE LIBRARY NM
set -eu
source=$1 library=$2 nm=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
fail() { echo "FAILED: $*" >&2; exit 1; }

# Exported is what the header declares, no more and no less.
sed 's#//.*##' "$source/la/c/la.h" | grep -o 'la_[a-z_]*(' | tr -d '(' | sort -u >"$work/declared"
"$nm" -D --defined-only "$library" | sed -n 's/^[0-9a-f]* [^A] \([^@]*\).*/\1/p' | sort -u >"$work/exported"
diff "$work/declared" "$work/exported" || fail "$library: expected the functions of la/c/la.h (<) exported, found others (>)"
[ "$(wc -l <"$work/exported")" -gt 20 ] || fail "$library: expected more than 20 functions"
readelf -d "$library" | grep -q 'SONAME.*\[libla\.so\.0\]' || fail "$library: expected the SONAME libla.so.0"

# The macros too, which a header alone does not expand.
cat >"$work/header.c" <<'END'
#include <la/c/la.h>
la_open_options open_options(void);
la_open_options open_options(void) { la_open_options options = LA_OPEN_OPTIONS_INIT; return options; }
la_ask_options ask_options(void);
la_ask_options ask_options(void) { la_ask_options options = LA_ASK_OPTIONS_INIT; return options; }
la_item item(void);
la_item item(void) { la_item item = LA_ITEM_INIT; return item; }
END
checked=0
strict="-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I $source"
for compiler in gcc clang; do
  command -v "$compiler" >/dev/null || { echo "skipped: $compiler was not found"; continue; }
  # shellcheck disable=SC2086
  "$compiler" -std=c99 -Wstrict-prototypes $strict "$work/header.c"
  # shellcheck disable=SC2086
  "$compiler" -x c++ -std=c++11 $strict "$work/header.c"
  checked=$((checked + 1))
done
[ "$checked" -gt 0 ] || fail 'expected gcc or clang'
echo "ok: $(wc -l <"$work/exported") functions exported, $checked compilers in C99 and C++11"
