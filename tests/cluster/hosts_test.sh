#!/bin/sh
# Two hosts as network namespaces with an address each: ranks of MPI on both write what one process does.
# usage: hosts_test.sh SOURCE BATCH
set -eu
source=$1
batch=$(readlink -f "$2")
for program in ip unshare mpirun; do
  command -v $program >/dev/null || { echo "skipped: $program was not found"; exit 77; }
done
ldd "$batch" | grep -q libmpi || { echo "skipped: this build has no MPI"; exit 77; }
name=la$$
ip netns add $name-1 2>/dev/null || { echo "skipped: no network namespaces here"; exit 77; }

here=$(mktemp -d)
finish() {
  status=$?
  ip netns del $name-1 2>/dev/null || true
  ip netns del $name-2 2>/dev/null || true
  rm -rf "$here"
  exit $status
}
trap finish EXIT
ip netns add $name-2
ip -n $name-1 link add $name type veth peer name $name netns $name-2
for host in 1 2; do
  ip -n $name-$host address add 10.77.0.$host/24 dev $name
  ip -n $name-$host link set $name up
  ip -n $name-$host link set lo up
done

# What ssh is between machines: AGENT ADDRESS COMMAND... runs the command there.
cat >"$here/agent" <<END
#!/bin/sh
host=\${1##*.}
shift
exec ip netns exec $name-\$host unshare --uts sh -c "hostname $name-\$host; \$*"
END
chmod +x "$here/agent"

i=0
while [ $i -lt 40 ]; do
  echo "{\"image\":\"$source/data/pictures/crowd.png\",\"task\":\"ground-multi\",\"phrase\":\"red circle\",\"id\":$i}"
  i=$((i + 1))
done >"$here/in.jsonl"
run="$batch --model-dir $source/data/shapes --threads 1 --requests $here/in.jsonl --batch-size 2"
$run --out "$here/one.jsonl" 2>/dev/null
"$here/agent" 10.77.0.1 "timeout 60 mpirun --allow-run-as-root --host 10.77.0.1:2,10.77.0.2:2 -np 4 --bind-to none \
  --mca plm_rsh_agent $here/agent --mca plm_rsh_no_tree_spawn 1 --mca plm rsh --mca btl self,tcp,vader \
  --mca btl_tcp_if_include $name --mca oob_tcp_if_include $name sh -c 'hostname >>$here/hosts; exec $run \
  --out $here/ranks.jsonl'" 2>"$here/log" || { cat "$here/log" >&2; exit 1; }
cmp "$here/one.jsonl" "$here/ranks.jsonl"
[ "$(sort "$here/hosts" | uniq -c | tr -s ' ' | cut -d' ' -f2 | tr '\n' ' ')" = "2 2 " ] ||
  { echo "expected two ranks on each host, found $(cat "$here/hosts")" >&2; exit 1; }
grep 'ranks, idle' "$here/log" | sed 's/, idle.*/ on two hosts: the file of one process/'
