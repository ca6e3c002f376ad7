#!/bin/bash
#SBATCH --job-name=tracks
#SBATCH --array=0-4
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --output=tracks-%a.log

each=200
first=$((1000 + SLURM_ARRAY_TASK_ID * each))
exec hitgraph reconstruct data/gun --events $first:$((first + each)) \
    --pipeline quickstart --out tracks --resume
