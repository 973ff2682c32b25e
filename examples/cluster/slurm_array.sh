#!/bin/sh
# Slurm: as many processes as the array has tasks, each with its share of the lines and a file of its own, and a job that
# joins the files when all are done. Tasks that are requeued go on where they were stopped.
#
#   array=$(sbatch --parsable --array=0-7 slurm_array.sh --requests in.jsonl --out out.jsonl)
#   sbatch --dependency=afterok:$array slurm_merge.sh --requests in.jsonl --out out.jsonl
#
#SBATCH --job-name=la --cpus-per-task=1 --requeue --open-mode=append
exec "${LA_BATCH:-batch}" "$@" --resume --threads "${SLURM_CPUS_PER_TASK:-1}"
