#!/usr/bin/env bash
# Submits gpt2-eval.sbatch, an array of shards, and merge.sbatch, which starts when all of them have ended.
#
#   examples/slurm/submit.sh DIR ARGUMENTS…
#   examples/slurm/submit.sh /shared/results/run --tasks paper --sizes 117M,345M --data /shared/data
#
# DIR is the run directory, visible to every node; ARGUMENTS are those of gpt2-eval without --out and --shard. The
# variables of sbatch (SBATCH_PARTITION, SBATCH_ACCOUNT…) apply to both jobs, except SBATCH_ARRAY_INX, for the array only:
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

# `--parsable` prints the job id, followed by a semicolon and the cluster if there are several.
array="$(sbatch --parsable "$scripts/gpt2-eval.sbatch" "$@" --out "$directory")"
array="${array%%;*}"
# The merge waits for requeued tasks, which have not ended. `afterany`, not `afterok`: if a shard has failed for good, the
# merge names it and the command that computes it, while `afterok` would leave the merge in the queue forever, even after the
# task was requeued by hand and succeeded.
merge="$(env -u SBATCH_ARRAY_INX sbatch --parsable --dependency="afterany:$array" "$scripts/merge.sbatch" "$directory")"
merge="${merge%%;*}"

printf 'shards: job %s\nmerge: job %s, when all shards have ended\nresults: %s\n' "$array" "$merge" "$directory"
