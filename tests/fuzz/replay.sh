#!/bin/sh
# Gives what the fuzzers learned to the example programs: each must answer and exit with 0, or say what is wrong and
# exit with 1 or 2. None may die of a signal, or exit with 0 without an answer.
#   tests/fuzz/replay.sh [BUILD [FUZZED [NAME...]]]   [build], [build-fuzz, which tests/fuzz/run.sh fills], [all names]
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build} fuzzed=${2:-build-fuzz}
[ $# -le 2 ] && names="picture text checkpoint tokenizer safetensors request_line" || { shift 2; names=$*; }
for name in $names; do
  case $name in
    picture | text | checkpoint | tokenizer | safetensors | request_line) ;;
    *) echo "$name: no program reads such inputs (picture, text, checkpoint, tokenizer, safetensors, request_line do)" >&2; exit 2 ;;
  esac
done
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export OMP_NUM_THREADS=1
failed=0 all=0

bad() {
  echo "FAILED: $*" >&2
  failed=$((failed + 1))
}

# run COMMAND...: its exit code is $code
run() {
  code=0
  timeout 60 "$@" >"$here/out" 2>"$here/err" </dev/null || code=$?
  case $code in
    0) answered=$((answered + 1)) ;;
    1 | 2) [ -s "$here/err" ] || bad "$input: exit code $code and no message" ;;
    *) bad "$input: exit code $code" ;;
  esac
}

ground() {
  run "$build/examples/ground" --json --max-tokens 4 "$@"
  [ $code != 0 ] || grep -q '"items":' "$here/out" || bad "$input: exit code 0 and no answer"
}

# replay NAME: calls NAME for each $input of that fuzzer
replay() {
  inputs=0 answered=0
  for input in "$fuzzed/seeds/$1"/* "$fuzzed/corpus/$1"/*; do
    [ -f "$input" ] || continue
    inputs=$((inputs + 1)) all=$((all + 1))
    "$1"
  done
  echo "$1: $inputs inputs, $answered runs with exit code 0"
}

picture() { ground --image "$input"; }

# The first two bytes of a text input say more, see text.cpp. An argument holds no NUL.
text() {
  words=$(tail -c +3 "$input" | tr -d '\000')
  ground --phrase "$words"
  ground --query "$words"
}

# replaced NAME...: the bundled checkpoint with one of the files replaced, the one that the input's first byte names
replaced() {
  first=$(head -c 1 "$input" | od -An -tu1 | tr -d ' ')
  shift $((${first:-0} % $#))
  rm -rf "$here/model"
  cp -r data/shapes "$here/model"
  case $1 in  # what would be read instead goes
    model.safetensors.index.json) rm "$here/model/model.safetensors" ;;
    vocab.json | merges.txt | added_tokens.json) rm "$here/model/tokenizer.json" ;;
  esac
  tail -c +2 "$input" >"$here/model/$1"
  ground --model-dir "$here/model"
}

checkpoint() { replaced config.json preprocessor_config.json quantization_config.json model.safetensors.index.json; }
tokenizer() { replaced tokenizer.json vocab.json merges.txt added_tokens.json tokenizer_config.json; }

safetensors() {
  rm -rf "$here/model"
  cp -r data/shapes "$here/model"
  cp "$input" "$here/model/model.safetensors"
  ground --model-dir "$here/model"
}

# Every line that is not blank must be answered or have an error.
request_line() {
  rm -f "$here/answers"
  run "$build/examples/batch" --requests "$input" --out "$here/answers" --max-tokens 4
  [ $code -le 1 ] && [ -s "$here/answers" ] || return 0  # 1: all lines failed
  asked=$(tr -d ' \t\r\000' <"$input" | LC_ALL=C grep -ac . || true)
  found=$(LC_ALL=C grep -ac '"items":\|"error":' "$here/answers" || true)
  [ "$asked" -le "$found" ] || bad "$input: $asked lines, $found answers"
}

for name in $names; do
  before=$all
  replay $name
  [ $all -gt $before ] || bad "no inputs of $name in $fuzzed: run tests/fuzz/run.sh first"
done
[ $failed = 0 ] && echo "ok" || { echo "$failed failures" >&2; exit 1; }
