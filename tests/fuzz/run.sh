#!/bin/sh
# Builds the fuzzers with clang++ (address and undefined-behaviour sanitizers) into build-fuzz/ and runs each:
#   tests/fuzz/run.sh [SECONDS [NAME...]]      60 seconds each, all of them
# What they learn stays in build-fuzz/corpus, what breaks them in build-fuzz/found; the exit code is 1 when one did. A
# summary line tells the executions and the coverage (edges) that each reached.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
names=${*:-safetensors checkpoint tokenizer text picture jpeg webp heif gif tiff answer block request_line request_body kernels}
CXX=${CXX:-clang++}
command -v "$CXX" >/dev/null || { echo "$CXX was not found: the fuzzers need clang (libFuzzer)" >&2; exit 77; }
out=build-fuzz
mkdir -p $out/found

flags="-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
  -Wno-unknown-pragmas -Wno-pass-failed -I. -DLA_SOURCE_ROOT=\"$PWD\" -DLA_DATA_DIR=\"$PWD/data\""

# Newer than everything it is made of?
fresh() {
  [ -e "$1" ] && [ -z "$(find la kernels examples/batch examples/cli examples/serve tests/fuzz -newer "$1" \( -name '*.hpp' -o -name '*.cpp' \) | head -1)" ]
}

fresh_kernels() { [ -e "$1" ] && [ -z "$(find kernels -newer "$1" -name '*pp' | head -1)" ]; }

# The kernels of each instruction set as the library has them, each compiled for it.
build_kernels() {
  objects="" built=""
  rows=$(grep "^$(uname -m) " kernels/isa/flags.txt)
  while read -r _ isa target; do
    # shellcheck disable=SC2086
    fresh_kernels $out/$isa.o || "$CXX" $flags -DLA_COMPILED $target -c kernels/isa/$isa.cpp -o $out/$isa.o
    objects="$objects $out/$isa.o" built="$built -DLA_BUILT_$(echo "$isa" | tr a-z A-Z)"
  done <<EOF
$rows
EOF
  # shellcheck disable=SC2086
  "$CXX" $flags -DLA_COMPILED $built kernels/dispatch.cpp tests/fuzz/kernels.cpp $objects -o $out/kernels
}

# A decoder of pictures: its macro, its library, and the format that it is given.
decoder() {
  case $1 in
    jpeg) echo "-DLA_WITH_JPEG -DLA_FUZZ_FORMAT=jpeg -ljpeg" ;;
    webp) echo "-DLA_WITH_WEBP -DLA_FUZZ_FORMAT=webp -lwebp -lwebpdemux" ;;
    heif) echo "-DLA_WITH_HEIF -DLA_FUZZ_FORMAT=heic -lheif" ;;
    gif) echo "-DLA_WITH_GIF -DLA_FUZZ_FORMAT=gif -lgif" ;;
    tiff) echo "-DLA_WITH_TIFF -DLA_FUZZ_FORMAT=tiff -ltiff" ;;
  esac
}

build() {
  fresh "$out/$1" && return
  echo "building $1" >&2
  if [ "$1" = kernels ]; then
    build_kernels
  else
    # shellcheck disable=SC2086
    "$CXX" $flags "tests/fuzz/$([ -z "$(decoder "$1")" ] && echo "$1" || echo picture).cpp" -o "$out/$1" \
      -lsimdjson -lutf8proc $(decoder "$1")
  fi
}

# Small files of the tests are seeds too; where several files have one fuzzer, a first character says which it is.
seed() {
  mkdir -p "$out/corpus/$1" "$out/seeds/$1"
  [ -d "tests/fuzz/seeds/$1" ] && cp tests/fuzz/seeds/"$1"/* "$out/seeds/$1"
  case $1 in
    safetensors) cp tests/checkpoints/odd/model-00001-of-00002.safetensors "$out/seeds/$1" ;;
    checkpoint)
      at=0
      for file in config preprocessor_config none model.safetensors.index; do
        if [ $file != none ]; then { printf %s $at; cat "tests/checkpoints/odd/$file.json"; } > "$out/seeds/$1/$file"; fi
        at=$((at + 1))
      done ;;
    picture) cp data/pictures/turned.jpg "$out/seeds/$1" ;;
    jpeg) cp tests/goldens/jpeg/*.jpg tests/goldens/formats/jpeg/*.jpg "$out/seeds/$1" ;;
    webp | gif) cp tests/goldens/formats/"$1"/*."$1" "$out/seeds/$1" ;;
    tiff) cp tests/goldens/formats/tiff/*.tif "$out/seeds/$1" ;;
    heif) cp tests/goldens/formats/heic/*.heic tests/goldens/formats/avif/*.avif "$out/seeds/$1" ;;
    request_line) head -3 data/pictures/calibration.jsonl > "$out/seeds/$1/lines" ;;
    *) ;;
  esac
}

status=0
for name in $names; do build "$name"; seed "$name"; done
for name in $names; do
  dictionary=""
  [ -e "tests/fuzz/$name.dict" ] && dictionary="-dict=tests/fuzz/$name.dict"
  log=$out/$name.log
  code=0
  # shellcheck disable=SC2086
  LSAN_OPTIONS=suppressions=tests/fuzz/leaks.supp:print_suppressions=0 OMP_NUM_THREADS=1 "$out/$name" "$out/corpus/$name" "$out/seeds/$name" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2560 -malloc_limit_mb=1024 -max_len=65536 -print_final_stats=1 $dictionary \
    -artifact_prefix="$out/found/$name-" > "$log" 2>&1 || code=$?
  covered=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ $code = 0 ]; then
    echo "$name: no crash, leak or timeout in ${executed:-?} executions, $covered edges"
  else
    status=1
    echo "$name: FAILED, see $log and $out/found"
  fi
done
exit $status
