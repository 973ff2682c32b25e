#!/bin/sh
# Fails on a symbol that the linker may merge with another file's, or that runs at start-up, in the library of one
# instruction set: such a function would bring that set's instructions to a CPU without them.
# usage: symbols.sh NM ISA LIBRARY
set -eu
nm=$1 isa=$2 library=$3
own="_ZZ?N[VKR]*(2la[0-9]+v[0-9_]+compiled7kernels${#isa}${isa}|$((${#isa} + 6))xsimd_${isa})"

symbols=$("$nm" "$library")
echo "$symbols" | grep -q "override_${isa}" || { echo "$library: override_${isa} is missing: not the library of $isa" >&2; exit 1; }

foreign=$(echo "$symbols" | grep -E ' [WVuwv] |_GLOBAL__sub_I' | grep -vE " [WVuwv] ($own|DW\.ref\.__gxx_personality_v0$)" || true)
[ -z "$foreign" ] && exit 0
echo "$library: expected every function of its own in la::kernels::$isa, and no code at start-up; found" >&2
echo "$foreign" | c++filt >&2
exit 1
