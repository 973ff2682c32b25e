#!/bin/sh
# GNU parallel: SHARDS processes on this machine, or on those of --sshlogin in $PARALLEL, where the same folders are
# mounted, then one file of theirs.
#
#   SHARDS=8 sh parallel.sh --requests in.jsonl --out out.jsonl
set -eu
batch=${LA_BATCH:-batch}
shards=${SHARDS:-2}
seq 0 $((shards - 1)) |
  parallel --halt soon,fail=1 "$batch" "$@" --resume --threads 1 --shard "{}/$shards"
exec "$batch" "$@" --merge
