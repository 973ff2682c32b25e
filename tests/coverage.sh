#!/bin/sh
# Line coverage of what reads other people's bytes: builds the tests with g++ --coverage into build-coverage/, runs
# those of the parsers, and prints a line a file and the sum. Exit code 1 when the sum is below 95 %.
#   tests/coverage.sh [PERCENT]
set -eu
cd "$(dirname "$0")/.."
least=${1:-95}
[ -f build-coverage/build.ninja ] ||
  CXX=g++ meson setup build-coverage -Dbuildtype=debug -Db_coverage=true >/dev/null
ninja -C build-coverage tests/unit examples/ground examples/batch examples/quantize >/dev/null
find build-coverage -name '*.gcda' -delete
# Without optimisation the largest inputs take minutes, and run no other lines.
build-coverage/tests/unit --no-intro --test-case-exclude='*100 MB*,*megabyte*,*million*,*any coordinates*,*calibrat*,*later layers*' --source-file='*tests/core/*,*tests/io/*,*tests/text/*,*tests/image/*,*tests/model/config*,*tests/decoding/answer*,*tests/decoding/block*,*tests/model/load_weights*,*tests/model/check_values*,*tests/session/truncation*,*tests/quantize/*,*tests/weights/*,*tests/cli/ground_errors*,*tests/cli/hostile*' |
  tail -3 >&2
mkdir -p build-coverage/report
cd build-coverage/report
rm -f ./*.gcov.json.gz
find .. -name '*.gcda' -print0 | xargs -0 gcov --json-format >/dev/null 2>&1
python3 - "$least" <<'PY'
import glob, gzip, json, os, sys
root = os.path.realpath("../..")
wanted = ("la/core/input_file", "la/core/mapped_file", "la/core/truncation_guard", "la/io/", "la/text/", "la/image/",
          "la/model/config", "la/decoding/answer", "la/decoding/block", "la/model/load_weights", "la/model/check_values",
          "la/weights/int4_checkpoint", "la/weights/packed_file")
lines = {}  # of a file: line -> executions, over all objects that have it
for report in glob.glob("*.gcov.json.gz"):
    data = json.load(gzip.open(report))
    for file in data["files"]:
        name = os.path.relpath(os.path.realpath(os.path.join(data["current_working_directory"], file["file"])), root)
        if not name.startswith(wanted):
            continue
        seen = lines.setdefault(name, {})
        for line in file["lines"]:
            seen[line["line_number"]] = seen.get(line["line_number"], 0) + line["count"]
total = covered = 0
for name, seen in sorted(lines.items()):
    if not seen:
        continue
    hit = sum(count > 0 for count in seen.values())
    total, covered = total + len(seen), covered + hit
    missed = " ".join(str(n) for n, count in sorted(seen.items()) if count == 0)
    print(f"{100 * hit / len(seen):6.1f} %  {hit:5}/{len(seen):<5} {name}" + (f"  not run: {missed}" if missed else ""))
share = 100 * covered / total if total else 0
print(f"{share:6.1f} %  {covered:5}/{total:<5} of the lines of the parsers")
sys.exit(share < float(sys.argv[1]))
PY
