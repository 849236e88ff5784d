#!/usr/bin/env bash
#SBATCH --job-name=clew
#SBATCH --nodes=4
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=00:30:00
#
#   sbatch examples/clusters/slurm.sh
#
# One Ray over all nodes of the job, and the training on the first of them; Ray is stopped at the end, on every node.
# Every node needs the same Python with Clew: activate it here. `ray symmetric-run` stops every Ray of yours that it
# finds on a node, so a node must not be shared with another job of yours (--exclusive).
set -euo pipefail

# source /path/of/your/.venv/bin/activate

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
head_address=$(srun --nodes=1 --ntasks=1 --nodelist="$head_node" hostname --ip-address | awk '{print $1}')
cluster="$head_address:6379"

# One token for this job, on every node: srun passes the environment on. It is neither written down nor shown.
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE RAY_AUTH_TOKEN

# RAY_ADDRESS is for the training alone: it is what tells Clew to use this Ray rather than to start one of its own.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
    ray symmetric-run --address "$cluster" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false \
    -- env RAY_ADDRESS="$cluster" \
    python examples/clusters/train.py --actors $((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK - 1))
