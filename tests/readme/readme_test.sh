#!/bin/sh
# The README's commands: its scripts exist and parse, and its `ground` and `batch` lines run, on bundled pictures in place
# of the reader's own: readme_test.sh SOURCE_ROOT BUILD_ROOT
set -eu
source=$1
build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$source/data/pictures/shapes.png" "$folder/photo.jpg"
cp "$source/data/pictures/shapes.png" "$folder/screen.png"
cd "$folder"
export LA_MODEL_DIR="$source/data/shapes"

count=0
for script in $(sed -n 's/^sh \([a-z/]*\.sh\)$/\1/p' "$source/README.md"); do
  sh -n "$source/$script"
  count=$((count + 1))
done
[ "$count" -eq 2 ] || { echo "expected 2 scripts in README.md, found $count" >&2; exit 1; }

sed -n "s|^build/examples/ground |$build/examples/ground |p" "$source/README.md" >commands
[ "$(wc -l <commands)" -eq 3 ] || { echo "expected 3 ground commands in README.md" >&2; exit 1; }
sh -eu commands >answers
[ -s answers ] && [ -s found.png ] || { echo "the README's commands gave no answer or picture" >&2; exit 1; }

mkdir photos
cp "$source/data/pictures/shapes.png" "$source/data/pictures/crowd.png" photos
echo '{"image":"photos/shapes.png","query":"ring"}
{"image":"photos/crowd.png","task":"point","phrase":"red circle"}' >in.jsonl
sed -n "s|^build/examples/batch |$build/examples/batch |p" "$source/README.md" >commands
[ "$(wc -l <commands)" -eq 5 ] || { echo "expected 5 batch commands in README.md" >&2; exit 1; }
sh -eu commands
cmp out.jsonl shared.jsonl
for file in found.jsonl found.coco.json found.coco.json.ids.json found.csv; do
  [ -s "$file" ] || { echo "the README's commands did not write $file" >&2; exit 1; }
done
