#!/bin/sh
# Fails where the code of a set without AVX-512 needs AVX-512: an EVEX prefix, a register of 512 bits. A set with dot products
# must have them, in AVX-VNNI's encoding, which assemblers choose only when told to.
# usage: encoding.sh OBJDUMP ISA LIBRARY
set -eu
objdump=$1 isa=$2 library=$3

code=$("$objdump" -d --insn-width=15 "$library" | grep -P '^ *[0-9a-f]+:\t')
# In 64-bit code no other instruction begins with 62.
foreign=$(echo "$code" | grep -P ':\t62 |zmm' | cut -f 2- | head -5)
[ -z "$foreign" ] || { echo "$library: expected no AVX-512, found" >&2; echo "$foreign" >&2; exit 1; }
[ "$isa" != avxvnni ] || echo "$code" | grep -q '{vex} vpdpbusd.*%ymm' ||
  { echo "$library: expected dot products, '{vex} vpdpbusd' of 256 bits" >&2; exit 1; }
