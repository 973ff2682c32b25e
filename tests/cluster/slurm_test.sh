#!/bin/sh
# A Slurm of one node on this machine's loopback: the examples' array and MPI jobs write what one process does.
# usage: slurm_test.sh SOURCE BATCH
set -eu
source=$1
LA_BATCH=$(readlink -f "$2")
export LA_BATCH
for program in slurmctld slurmd munged sbatch; do
  command -v $program >/dev/null || { echo "skipped: $program was not found"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: only root starts a Slurm"; exit 77; }

here=$(mktemp -d)
started=""
finish() {
  status=$?
  [ $status = 0 ] || tail -n 5 "$here"/*.log "$here"/job-*.txt >&2 2>/dev/null || true
  for process in $started; do kill "$process" 2>/dev/null || true; done
  for process in $started; do wait "$process" 2>/dev/null || true; done
  rm -rf "$here"
  exit $status
}
trap finish EXIT

# Ports of its own, so that no other Slurm is met.
port=$((20000 + $$ % 20000))
cat >"$here/slurm.conf" <<END
ClusterName=la
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$here/munge/socket
CredType=cred/munge
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF="$here/slurm.conf"
mkdir -m 755 "$here/munge" "$here/state" "$here/spool"
chmod 755 "$here"
dd if=/dev/urandom of="$here/munge/key" bs=1024 count=1 2>/dev/null
chmod 600 "$here/munge/key"
munged --foreground --force --key-file="$here/munge/key" --socket="$here/munge/socket" --pid-file="$here/munge/pid" \
  --log-file="$here/munge.log" --seed-file="$here/munge/seed" >/dev/null 2>&1 &
started="$!"
until [ -S "$here/munge/socket" ]; do kill -0 "$started"; sleep 0.1; done
slurmctld -D -c >/dev/null 2>&1 &
started="$! $started"
slurmd -D -N localhost >/dev/null 2>&1 &
started="$! $started"
tries=0
until sinfo -h -o %T 2>/dev/null | grep -q idle; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { echo "the node did not come up" >&2; exit 1; }
  sleep 0.1
done

cd "$here"
i=0
while [ $i -lt 40 ]; do
  echo "{\"image\":\"$source/data/pictures/shapes.png\",\"task\":\"ground-multi\",\"phrase\":\"red circle\",\"id\":$i}"
  i=$((i + 1))
done >in.jsonl
export LA_MODEL_DIR="$source/data/shapes"
"$LA_BATCH" --requests in.jsonl --out one.jsonl 2>/dev/null

examples="$source/examples/cluster"
array=$(sbatch --parsable --array=0-3 -o 'job-%a.txt' "$examples/slurm_array.sh" --requests in.jsonl --out out.jsonl)
sbatch --wait --dependency="afterok:$array" -o job-merge.txt "$examples/slurm_merge.sh" --requests in.jsonl \
  --out out.jsonl >/dev/null
cmp one.jsonl out.jsonl
[ "$(ls out.shard-*-of-4.jsonl | wc -l)" = 4 ]
echo "array of 4 tasks and a merge: the file of one process"

command -v mpirun >/dev/null && ldd "$LA_BATCH" | grep -q libmpi || { echo "no MPI: that job was not tried"; exit 0; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
LA_MPIRUN_FLAGS="--oversubscribe --bind-to none" sbatch --wait --ntasks=4 -o job-mpi.txt "$examples/slurm_mpi.sh" \
  --requests in.jsonl --out mpi.jsonl >/dev/null
cmp one.jsonl mpi.jsonl
grep -q '4 ranks, idle' job-mpi.txt
echo "4 ranks of MPI: the file of one process"
