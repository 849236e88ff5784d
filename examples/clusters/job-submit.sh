#!/usr/bin/env bash
#
#   bash examples/clusters/job-submit.sh http://HEAD:8265
#   bash examples/clusters/job-submit.sh http://HEAD:8265 --no-wait -- bash train-or-resume.sh /shared/runs/first 8 300x300
#
# Hands a command to a Ray that runs already, and shows its log until it ends: `python train.py`, which compares two
# tables, or what follows `--`. It runs in a copy of this folder on the head, so a run must be saved elsewhere, to an
# absolute path. Options before `--` are those of `ray job submit`. Here and on the cluster `ray[default]` is needed
# (the bare `ray` has no job server), the same token (RAY_AUTH_TOKEN, or ~/.ray/auth_token), and Clew there, on the PATH
# of `ray start`. Ray sets RAY_ADDRESS for what it runs, so Clew finds the cluster by itself.
set -euo pipefail

address=${1:?give the address of the head, such as http://127.0.0.1:8265}
shift
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- python train.py
here=$(cd "$(dirname "$0")" && pwd)

export RAY_AUTH_MODE=token
exec ray job submit --address "$address" --working-dir "$here" "${options[@]}" -- "$@"
