#!/usr/bin/env bash
#SBATCH --job-name=clew
#SBATCH --nodes=4
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=0
#SBATCH --time=00:30:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=clew-%j.log
#
#   sbatch examples/clusters/slurm.sh
#   RUN=/shared/runs/second sbatch examples/clusters/slurm.sh wilson:500x500 --sharing local --simulations 31
#   IMAGE=/shared/clew.sif sbatch examples/clusters/slurm.sh
#
# From the folder of the repository, which every node must see. One Ray over all nodes of the job, and the training on
# the first of them; Ray is stopped at the end, on every node. Every node needs the same Python with Clew: activate it
# here, or give IMAGE, the image of examples/clusters/Dockerfile as a file (`apptainer build clew.sif
# docker-daemon:registry.example/clew:0.1.0`), in which Apptainer then runs Ray and Clew. `ray symmetric-run` stops every
# Ray of yours that it finds on a node, so a node must not be shared with another job of yours (--exclusive). --mem=0 is
# all memory of a node: Ray measures the node, and doesn't know of a limit of Slurm.
#
# Two minutes before the time is up, and by `scancel --batch --signal=USR1 JOB`, the training saves a checkpoint, and the
# job is queued again; it then goes on from there, to the same table. A job that is lost with a node is queued again by
# Slurm (--requeue), and goes on from the last checkpoint. `scancel JOB` ends it, and the last checkpoint stays; the same
# command with the same RUN goes on from it.
set -euo pipefail

# source /path/of/your/.venv/bin/activate

run=${RUN:-$PWD/runs/${SLURM_JOB_NAME:-clew}-$SLURM_JOB_ID} # on a disk that all nodes see
mkdir -p "$(dirname "$run")"
actors=$((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK - 1))
if [ $# = 0 ]; then
    simulations=$((actors > 1 ? actors : 2))
    set -- 300x300 --random-start --gamma 0.999 --episodes 2000000 --sharing local --simulations "$simulations"
fi

inside=() # the command that runs another one in the image
if [ -n "${IMAGE:-}" ]; then inside=(apptainer exec --bind "$PWD,$(dirname "$run")" "$IMAGE"); fi

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# The first address that other nodes can reach: some nodes give themselves 127.0.1.1.
head_address=$(srun --nodes=1 --ntasks=1 --nodelist="$head_node" hostname --all-ip-addresses | awk '{print $1}')
cluster="$head_address:6379"

# One token for this job, on every node: srun passes the environment on. It is neither written down nor shown.
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE RAY_AUTH_TOKEN

# The training runs on this node, the first of the job. Slurm's signal comes to this script alone, which passes it on.
process=$(mktemp)
goes_on=no
stop() {
    if [ -s "$process" ]; then kill -TERM "$(cat "$process")" || true; fi
}
trap 'goes_on=yes; stop' USR1
trap stop TERM

# RAY_ADDRESS is for the training alone: it is what tells Clew to use this Ray rather than to start one of its own.
# shellcheck disable=SC2016
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ${inside[@]+"${inside[@]}"} ray symmetric-run --address "$cluster" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false \
    -- env RAY_ADDRESS="$cluster" \
    bash -c 'echo $$ > "$0"; exec bash examples/clusters/train-or-resume.sh "$@"' "$process" "$run" "$actors" "$@" &
step=$!
code=0
wait "$step" || code=$?
while kill -0 "$step" 2> /dev/null; do # a signal ended the waiting, not the step
    code=0
    wait "$step" || code=$?
done
rm -f "$process"

if [ $goes_on = yes ] && [ ! -e "$run/summary.json" ]; then
    echo "stopped before the end; queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
