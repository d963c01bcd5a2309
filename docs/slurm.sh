#!/bin/bash
#SBATCH --job-name=vcbench
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# Starts Ray on the allocated nodes, then `vcbench run` with this script's arguments; see docs/cluster.md.
# On one node it runs there without Ray.
set -euo pipefail

port=${VCBENCH_RAY_PORT:-6379}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
cpus=${SLURM_CPUS_PER_TASK:-1}
again=75 # the exit code of a run that SIGTERM ended: the same command goes on

engine=()
if ((${#nodes[@]} > 1)); then
    srun --nodes=1 --ntasks=1 --nodelist="$head" ray start --head --port="$port" --num-cpus="$cpus" --disable-usage-stats --block &
    sleep "${VCBENCH_RAY_WAIT:-15}"
    for node in "${nodes[@]:1}"; do
        srun --nodes=1 --ntasks=1 --nodelist="$node" ray start --address="$head:$port" --num-cpus="$cpus" --disable-usage-stats --block &
    done
    engine=(--engine ray --address "$head:$port")
fi

stopping=0
stop() {
    stopping=1
    echo "SIGTERM: the run and its tasks save and end; the next start continues." >&2
    kill -TERM "$run" 2>/dev/null || true
}
trap stop TERM

python -m vcbench run "${engine[@]}" "$@" &
run=$!
status=0
wait "$run" || status=$?
if ((stopping && status > 128)); then # the signal ended the wait, not the run
    status=0
    wait "$run" || status=$?
fi
if ((status == again)); then
    echo "Queueing again." >&2
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
fi
exit "$status"
