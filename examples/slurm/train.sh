#!/bin/bash
#SBATCH --job-name=train
#SBATCH --nodes=8
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
#SBATCH --output=train.log

# One process does the work; for each network it starts the ranks with srun, one a GPU. Slurm puts the
# job back into the queue after the failure of a node (--requeue); before the end of its time it sends
# SIGTERM, which ends the command with all in order, and the job puts itself back. --resume goes on.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK      # srun does not take it from the job

hitgraph train recipe.yaml --data data/train --out runs/train --device cuda --ranks 64 --resume --quiet &
training=$!
trap 'kill -TERM $training; wait $training; scontrol requeue $SLURM_JOB_ID; exit 0' TERM
wait $training
