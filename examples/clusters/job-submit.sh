#!/usr/bin/env bash
#
#   bash examples/clusters/job-submit.sh http://HEAD:8265
#
# Hands the training to a Ray that runs already, and shows its log until it ends. Here and on the cluster `ray[default]`
# is needed (the bare `ray` has no job server), the same token (RAY_AUTH_TOKEN, or ~/.ray/auth_token), and Clew there.
# Ray sets RAY_ADDRESS for what it runs, so Clew finds the cluster by itself.
set -euo pipefail

address=${1:?give the address of the head, such as http://127.0.0.1:8265}
shift
here=$(cd "$(dirname "$0")" && pwd)

export RAY_AUTH_MODE=token
exec ray job submit --address "$address" --working-dir "$here" -- python train.py "$@"
