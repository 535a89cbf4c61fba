#!/usr/bin/env bash
# Starts Ray on a Slurm allocation and runs one part of the road on it:
#   sbatch --nodes=4 --gpus-per-node=8 --time=24:00:00 cluster/slurm.sh configs/gpu-cluster.yaml \
#       --set run.directory=/scratch/$USER/goat/run-1
# Submit it in the repository's folder, which all nodes see, as they see .venv and run.directory. The first argument
# is the configuration, the rest goes to the job. PART chooses the script in jobs/ (default: pipeline).
# When time is up the same command goes on: --signal leaves two minutes to stop, and finished work is kept.
#SBATCH --job-name=goat
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:TERM@120
#SBATCH --output=goat-%j.log
set -euo pipefail

: "${SLURM_JOB_ID:?is run by sbatch}"
config=${1:?the first argument is a configuration file}
shift
script=jobs/${PART:-pipeline}.py
test -f "$script" || { echo "there is no $script; sbatch this in the repository's folder" >&2; exit 2; }
export PATH="$PWD/.venv/bin:$PATH"

# Other users of these nodes reach their ports: without the token they would run code as this user.
umask 077
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN  # srun hands the environment on; it is never on a command line

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
head_ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')

started=()
driver=
# shellcheck disable=SC2329 # the trap calls it
clean_up() {
    trap - EXIT TERM INT
    if [[ -n $driver ]]; then
        kill -TERM "$driver" 2>/dev/null || true
        wait "$driver" || true
    fi
    for process in "${started[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
    wait || true
}
trap clean_up EXIT
trap 'exit 143' TERM INT

# All nodes are alike, and each is in every pool that a configuration may name. An allocation does not grow.
pools='{"pool_cpu": 1, "pool_engine": 1, "pool_training": 1}'
set -- --set 'cluster.on_demand=[]' "$@"

cpus=${SLURM_CPUS_ON_NODE:-1}  # all of a node: it is this job's alone
start() {  # NODE and arguments of `ray start`: one node in the foreground of its own srun, which ends with this job
    local node=$1
    shift
    srun --nodes=1 --ntasks=1 --exact --cpus-per-task="$cpus" --nodelist="$node" --export=ALL \
        --output="goat-$SLURM_JOB_ID-ray-$node.log" ray start --block --num-cpus="$cpus" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" \
        --resources="$pools" --temp-dir="/tmp/ray-$SLURM_JOB_ID" "$@" &
    started+=($!)
}

start "$head" --head --node-ip-address="$head_ip" --port=6379 --dashboard-host=127.0.0.1
export RAY_ADDRESS="$head_ip:6379"
for _ in {1..60}; do
    ray health-check --address "$RAY_ADDRESS" >/dev/null 2>&1 && break
    sleep 2
done
ray health-check --address "$RAY_ADDRESS"
for node in "${nodes[@]:1}"; do
    start "$node" --address="$RAY_ADDRESS"
done

# What an allocation has it has at once, so the job may ask for all of it: a stage that finds no room is refused.
python - "${#nodes[@]}" <<'PYTHON'
import sys, time
import ray

ray.init(log_to_driver=False, logging_level="error")
wanted, deadline = int(sys.argv[1]), time.monotonic() + 300
while (joined := sum(node["Alive"] for node in ray.nodes())) < wanted:
    if time.monotonic() > deadline:
        sys.exit(f"{joined} of {wanted} nodes have joined; goat-*-ray-*.log says why the others have not")
    time.sleep(1)
PYTHON

# This script runs on the head. The driver is in the background, so that a signal reaches the trap at once; it gets the
# signal first, and leaves failure.json.
python "$script" --config "$config" "$@" &
driver=$!
status=0
wait "$driver" || status=$?
driver=
exit "$status"
