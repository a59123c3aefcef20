#!/usr/bin/env bash
# Submits gpt2-eval.sbatch, an array of shards, and merge.sbatch, which starts when all of them have ended.
#
#   examples/slurm/submit.sh DIR ARGUMENTS…
#   examples/slurm/submit.sh /shared/results/run --tasks paper --sizes 117M,345M --data /shared/data
#
# DIR is the run directory, where every node sees it; ARGUMENTS are gpt2-eval's, without --out and --shard. sbatch's own
# variables hold for both jobs (SBATCH_PARTITION, SBATCH_ACCOUNT…) except SBATCH_ARRAY_INX, which is the array's:
#
#   SBATCH_PARTITION=cpu SBATCH_ARRAY_INX=0-15 examples/slurm/submit.sh …
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 DIR ARGUMENTS… (of gpt2-eval, without --out and --shard)" >&2
    exit 2
fi
scripts="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
mkdir -p -- "$1"
directory="$(cd -- "$1" && pwd)"
shift

# `--parsable` prints the number, and behind a semicolon the cluster where there are several.
array="$(sbatch --parsable "$scripts/gpt2-eval.sbatch" "$@" --out "$directory")"
array="${array%%;*}"
# A task that is requeued has not ended: the merge waits for it. `afterany`, not `afterok`: when a shard has failed for
# good, the merge says which and how to fill it, where `afterok` would leave it in the queue for ever, even after the task
# has been requeued by hand and succeeded.
merge="$(env -u SBATCH_ARRAY_INX sbatch --parsable --dependency="afterany:$array" "$scripts/merge.sbatch" "$directory")"
merge="${merge%%;*}"

printf 'shards: job %s\nmerge: job %s, when all shards have ended\nresults: %s\n' "$array" "$merge" "$directory"
