#!/bin/sh
# Installs what is missing, builds, and runs all tests. Ends with "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."
sh examples/setup.sh tests
status=0
processes=$(($(nproc) + 1))  # one waits for its downloads
[ "$processes" -le 4 ] || processes=4  # each has threads of its own
meson test -C build --print-errorlogs --num-processes "$processes" || status=$?
python3 - build/meson-logs/testlog.json <<'PY'
import json, sys
count = {"passed": 0, "failed": 0, "skipped": 0}
for line in open(sys.argv[1]):
    result = json.loads(line)["result"]
    count["passed" if result == "OK" else "skipped" if result == "SKIP" else "failed"] += 1
print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
PY
exit $status
