#!/bin/sh
# Joins the files of slurm_array.sh, see there.
#SBATCH --job-name=la-merge --cpus-per-task=1
exec "${LA_BATCH:-batch}" "$@" --merge
