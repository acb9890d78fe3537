#!/usr/bin/env bash
# Trains on the GPUs of several nodes of a Slurm cluster. All that follows the file's name is given to "CTGANLib train":
#
#     sbatch Resources/Cluster/slurm_train.sh --recipe biplanar --data /shared/cts --out /shared/runs/chest --batch 16
#
# Submit it from the repository's root, with an environment active that has the packages of Resources/requirements.txt,
# PyTorch and SimpleITK. Data, run folder, repository and environment lie on a disk that all nodes see. --batch counts
# the patients of a step over all GPUs and is a multiple of their number. Lines that begin with #SBATCH are options;
# those that differ between clusters, such as --partition and --account, are given before the file's name.
#
#SBATCH --job-name=ctgan
#SBATCH --nodes=2
# One torchrun a node; it starts a process for each of the node's GPUs and restarts all when one fails.
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --mem=128G
#SBATCH --time=24:00:00
# A job that is preempted, or loses a node, goes back into the queue and then on from its checkpoint, which is two
# minutes old at most.
#SBATCH --requeue
# Its time limit ends a job for good, unless it asks in time to be queued again: the signal comes two minutes before.
#SBATCH --signal=B:USR1@120
#SBATCH --output=ctgan-%j.log
#SBATCH --open-mode=append

set -euo pipefail

# Models go to the store of whoever submits, beside the run folders, as home folders are often small.
export CTGAN_MODELS="${CTGAN_MODELS:-$PWD/models}"
export PYTHONPATH="$PWD/CTGANReconstruct${PYTHONPATH:+:$PYTHONPATH}"
# Slurm has ended the processes of an earlier start: nobody else is at work in the run folder.
export CTGAN_RESTARTED="${SLURM_RESTART_COUNT:-0}"
# Without this, processes that torchrun starts again may find the addresses of those before them, and wait for ever
# (https://github.com/pytorch/pytorch/issues/135712).
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

trap 'scontrol requeue "$SLURM_JOB_ID"' USR1

# The processes find each other at the first node. Jobs that share a node must not share a port.
nodes="$(scontrol show hostnames "$SLURM_JOB_NODELIST")"
head_node="${nodes%%$'\n'*}"
port="$((20000 + SLURM_JOB_ID % 20000))"

# In the background, as the shell hears of a signal only while it waits.
srun --kill-on-bad-exit=1 torchrun \
    --nnodes="$SLURM_JOB_NUM_NODES" \
    --nproc-per-node="${SLURM_GPUS_ON_NODE:-1}" \
    --rdzv-id="$SLURM_JOB_ID" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="$head_node:$port" \
    --max-restarts=3 \
    -m CTGANLib train "$@" &
wait "$!"
