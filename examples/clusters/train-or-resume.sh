#!/usr/bin/env bash
#
#   bash examples/clusters/train-or-resume.sh RUN ACTORS SETTING...
#   bash examples/clusters/train-or-resume.sh /shared/runs/first 16 wilson:500x500 --sharing local --simulations 16
#
# Trains with ACTORS on the Ray at RAY_ADDRESS, and saves the run to RUN; if it was begun before, goes on with it. So the
# same command may be given until the run has ended: by hand, by Kubernetes, or by Slurm. SETTING... is what `clew train`
# takes. RUN must be on a disk that stays, and that the node of the next try sees too.
set -euo pipefail

run=${1:?give the folder of the run}
actors=${2:?give the number of actors}
shift 2
here=$(cd "$(dirname "$0")" && pwd)

if [ -e "$run/summary.json" ]; then
    echo "$run has ended already"
    exit 0
fi
if [ -n "${RAY_ADDRESS:-}" ]; then # otherwise Clew starts a Ray of its own here
    python "$here/wait_for_processors.py" "$actors"
fi
if [ -d "$run.partial" ]; then # also if it was stopped before its first checkpoint
    again=() # settings that a run doesn't keep; a module of yours is imported only if it is named again
    while [ $# -gt 0 ]; do
        case $1 in
            --checkpoint-every | --plugin) again+=("$1" "${2:?}") ;;
            gym:*:*) CLEW_IMPORT=${1#gym:} && export CLEW_IMPORT=${CLEW_IMPORT%%:*} ;;
        esac
        shift
    done
    exec clew train --resume "$run" --actors "$actors" ${again[@]+"${again[@]}"}
fi
exec clew train "$@" --actors "$actors" --out "$run"
