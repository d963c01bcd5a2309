#!/bin/bash
#SBATCH --job-name=vcbench
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# Starts Ray on the allocated nodes, then `vcbench run` with this script's arguments; see docs/cluster.md.
set -euo pipefail

port=${VCBENCH_RAY_PORT:-6379}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
cpus=${SLURM_CPUS_PER_TASK:-1}

srun --nodes=1 --ntasks=1 --nodelist="$head" ray start --head --port="$port" --num-cpus="$cpus" --disable-usage-stats --block &
sleep "${VCBENCH_RAY_WAIT:-15}"
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --nodelist="$node" ray start --address="$head:$port" --num-cpus="$cpus" --disable-usage-stats --block &
done

requeue() {
    echo "SIGTERM: the run keeps its checkpoints; queueing again." >&2
    kill -TERM "$run" 2>/dev/null || true
    wait "$run" || true
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
trap requeue TERM

python -m vcbench run --engine ray --address "$head:$port" "$@" &
run=$!
status=0
wait "$run" || status=$?
exit "$status"
