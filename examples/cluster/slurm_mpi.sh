#!/bin/sh
# Slurm and MPI: one run over all tasks, which get lines as they become free; rank 0 writes one file.
#
#   sbatch --ntasks=4 slurm_mpi.sh --requests in.jsonl --out out.jsonl
#
#SBATCH --job-name=la --cpus-per-task=1 --requeue --open-mode=append
exec mpirun -np "$SLURM_NTASKS" ${LA_MPIRUN_FLAGS:-} "${LA_BATCH:-batch}" "$@" --resume \
  --threads "${SLURM_CPUS_PER_TASK:-1}"
