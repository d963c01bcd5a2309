#!/bin/bash
#SBATCH --job-name=vcbench
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
# Starts Ray on the allocated nodes, then `vcbench run` with this script's arguments; see docs/cluster.md.
# On one node it runs there without Ray.
set -euo pipefail

port=$((20000 + SLURM_JOB_ID % 10000)) # of this job alone, where jobs share a node
cpus=${SLURM_CPUS_PER_TASK:-1}
nodes=$SLURM_JOB_NUM_NODES
wait=${VCBENCH_RAY_WAIT:-180} # seconds for the nodes to join; the run starts with those that have
again=75                      # the exit code of a run that SIGTERM ended: the same command goes on
killed=143                    # the same, before it could save: it had only begun

run="" stopping=0
stop() {
    stopping=1
    echo "SIGTERM: the run and its tasks save and end." >&2
    [[ -z $run ]] || kill -TERM "$run" 2>/dev/null || true
}
trap stop TERM
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT # Ray

engine=()
if ((nodes > 1)); then
    # This script runs on the first node. Its address, not its name: Ray looks names up in DNS, where Slurm's need not be.
    address=$(python -c "import ray; print(ray.util.get_node_ip_address())"):$port
    RAY_AUTH_TOKEN=$(python -c "import secrets; print(secrets.token_hex(32))")
    export RAY_AUTH_MODE=token RAY_AUTH_TOKEN # others are on this network
    ray=(ray start --num-cpus="$cpus" --disable-usage-stats --block)
    "${ray[@]}" --head --port="$port" &
    # Since Slurm 22.05 a step does not take over --cpus-per-task, and may be bound to one CPU.
    srun --relative=1 --nodes=$((nodes - 1)) --ntasks=$((nodes - 1)) --cpus-per-task="$cpus" "${ray[@]}" --address="$address" &
    joined() { ray status --address="$address" 2>/dev/null | grep -c " node_"; }
    while ((SECONDS < wait && !stopping && $(joined) < nodes)); do sleep 2; done
    engine=(--engine ray --address "$address")
fi

python -m vcbench run "${engine[@]}" "$@" &
run=$! status=0
((!stopping)) || kill -TERM "$run"
wait "$run" || status=$?
if ((stopping && status > 128)); then # the signal ended the wait, not the run
    status=0
    wait "$run" || status=$?
fi
if ((status == again || (stopping && status == killed))); then
    # scancel sends SIGTERM too, but then the job is ending, and not for its time limit.
    case $(squeue --noheader --jobs="$SLURM_JOB_ID" --format="%T %r") in
    RUNNING* | *TimeLimit*)
        echo "Queueing again; the next start continues." >&2
        scontrol requeue "$SLURM_JOB_ID"
        exit 0
        ;;
    esac
fi
exit "$status"
