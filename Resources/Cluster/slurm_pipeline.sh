#!/usr/bin/env bash
# Runs the whole pipeline on one GPU of a Slurm cluster. All that follows the file's name is given to "CTGANLib pipeline":
#
#     sbatch Resources/Cluster/slurm_pipeline.sh --data /shared/cts --out /shared/pipelines/chest
#
# As slurm_train.sh, with the packages of Resources/requirements-pipeline.txt too.
#
#SBATCH --job-name=ctgan-pipeline
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
# Started again, the pipeline skips what is done and goes on in the middle of a training.
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --output=ctgan-pipeline-%j.log
#SBATCH --open-mode=append

set -euo pipefail

export CTGAN_MODELS="${CTGAN_MODELS:-$PWD/models}"
export PYTHONPATH="$PWD/CTGANReconstruct${PYTHONPATH:+:$PYTHONPATH}"
export CTGAN_RESTARTED="${SLURM_RESTART_COUNT:-0}"

trap 'scontrol requeue "$SLURM_JOB_ID"' USR1

# Events, a line each, as a log file knows no moving percentage.
srun python -m CTGANLib pipeline --events "$@" &
wait "$!"
