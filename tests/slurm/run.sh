#!/usr/bin/env bash
# Runs examples/slurm/ on a real cluster of one node: an array of four shards, three of them interrupted in the middle,
# merged, and compared byte for byte with a run without shards.
#
#   cargo build --release && tests/slurm/run.sh [PROGRAM]        # PROGRAM: target/release/gpt2-eval
#
# Needs root and Debian (README.md beside this file says more). Ends with `N passed, N failed`, and with exit code 1 if
# anything failed.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
program="$(realpath -- "${1:-$root/target/release/gpt2-eval}")"
[ -x "$program" ] || { echo "no program at $program: cargo build --release" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "Slurm's daemons need root" >&2; exit 2; }
# shellcheck source-path=SCRIPTDIR source=cluster.sh
source "$root/tests/slurm/cluster.sh"

work="$(mktemp -d "${TMPDIR:-/tmp}/gpt2-eval-slurm.XXXXXX")"
# munged requires a socket that every user can reach.
chmod 0755 "$work"
clean_up() {
    local status=$?
    trap - EXIT
    stop_cluster
    rm -rf -- "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

passed=0
failed=0
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
# check WHAT COMMAND…: COMMAND must succeed.
check() {
    local what="$1"
    shift
    if "$@"; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$what"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$what"
    fi
}
# must WHAT COMMAND…: COMMAND must succeed, or the test ends.
must() { "${@:2}" || { printf 'FAILED  %s\n' "$1"; give_up; }; }
give_up() {
    squeue --array 2>/dev/null || true
    tail -n 15 "$work"/logs/*.log 2>/dev/null || true
    printf '\n%d passed, %d failed\n' "$passed" "$((failed + 1))"
    exit 1
}

arguments=(--tasks all --sizes tiny --data sample)
shards=4
whole="$work/whole run"
run="$work/run in shards"
shard() { printf '%s/shards/%d-of-%d' "$run" "$1" "$shards"; }

# field JOB NAME: a field of `scontrol show job`.
field() { scontrol show job --oneliner "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1; }
is_in_state() { [ "$(field "$1" JobState)" = "$2" ]; }
has_restarted() { [ "$(field "$1" Restarts)" = 1 ]; }

# Process of a task of the array, found by the variables that Slurm put into its environment.
process_of() {
    local process
    for process in $(pgrep -x gpt2-eval); do
        if tr '\0' '\n' <"/proc/$process/environ" 2>/dev/null \
            | grep -cxF -e "SLURM_CONF=$SLURM_CONF" -e "SLURM_ARRAY_JOB_ID=$array" -e "SLURM_ARRAY_TASK_ID=$1" \
            | grep -qx 3; then
            echo "$process"
            return 0
        fi
    done
    return 1
}
lines_of() { cat "$(shard "$1")"/samples/*/*.jsonl 2>/dev/null | wc -l; }
is_complete() { grep -q '"status": "complete"' "$1/manifest.json"; }
# Requested tokens of finished tasks. A process that continues a run adds its tokens to those in the manifest.
requested_tokens() { awk -F'[:,]' '/"requested_tokens"/ { sum += $2 } END { print sum + 0 }' "$1/manifest.json"; }
# Seconds of finished tasks; two processes never measure the same numbers.
seconds_of() { sed -n 's/^ *"seconds": //p' "$1/manifest.json"; }
# Whether the manifest still has the usage of the first process: the shard was not deleted and restarted.
has_kept_usage() {
    local line
    while read -r line; do
        seconds_of "$(shard "$1")" | grep -qxF -e "$line" || return 1
    done <"$work/seconds of $1"
}

# Lets the given tasks run until each has finished some samples, then stops it.
stop_in_the_middle() {
    local task process left=("$@") waiting deadline=$((SECONDS + 120))
    while [ "${#left[@]}" -gt 0 ]; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        waiting=()
        for task in "${left[@]}"; do
            if [ "$(lines_of "$task")" -ge 20 ] && process="$(process_of "$task")"; then
                kill -STOP "$process"
                stopped[task]="$process"
                answered[task]="$(lines_of "$task")"
            else
                waiting+=("$task")
            fi
        done
        left=("${waiting[@]}")
        sleep 0.01
    done
}

step "Slurm"
install_slurm >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; exit 1; }
must "the cluster starts" start_cluster "$work/cluster"
sinfo --version
must "a trivial job runs" test "$(srun --quiet hostname)" = "$(hostname)"
check "the cluster runs a job" true

step "The run without shards"
mkdir "$work/bin" "$work/logs"
ln -s "$program" "$work/bin/gpt2-eval"
export PATH="$work/bin:$PATH"
gpt2-eval "${arguments[@]}" --quiet --out "$whole" >/dev/null
check "it is complete" is_complete "$whole"

step "The run in $shards shards, submitted with examples/slurm/submit.sh"
cd "$work/logs"
"$root/examples/slurm/submit.sh" "$run" "${arguments[@]}" | tee "$work/submitted"
array="$(sed -n 's/^shards: job \([0-9]*\)$/\1/p' "$work/submitted")"
merge="$(sed -n 's/^merge: job \([0-9]*\),.*/\1/p' "$work/submitted")"

step "Three shards are interrupted in the middle"
stopped=() answered=() before=()
must "shards 1, 2 and 3 start" stop_in_the_middle 1 2 3
for task in 1 2 3; do
    printf '        shard %d: process %d stopped after %d samples\n' "$task" "${stopped[$task]}" "${answered[$task]}"
    if is_complete "$(shard "$task")"; then
        check "shard $task is in the middle" false
    fi
done
echo "        shard 1: kill -9; its script hands it back to the queue"
kill -KILL "${stopped[1]}"
echo "        shard 2: scontrol requeue, as after a preemption"
scontrol requeue "${array}_2"
echo "        shard 3: the signal that Slurm sends before the time limit"
scancel --batch --signal=USR1 "${array}_3"
wait_for 10 grep -q "the time limit is near" "gpt2-eval-${array}_3.log" || true
kill -CONT "${stopped[3]}" 2>/dev/null || true
is_between() { [ "$1" -lt "$2" ] && [ "$2" -lt "$3" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
for task in 1 2 3; do
    must "the process of shard $task ends" wait_for 60 is_gone "${stopped[$task]}"
    # The next process starts in 5 seconds and writes its usage when it ends.
    before[task]="$(requested_tokens "$(shard "$task")")"
    seconds_of "$(shard "$task")" >"$work/seconds of $task"
done

step "All tasks end"
for task in 0 1 2 3; do
    must "task $task ends" wait_for 180 is_in_state "${array}_$task" COMPLETED
    check "shard $task is complete" is_complete "$(shard "$task")"
done
for task in 1 2 3; do
    check "shard $task was restarted once" has_restarted "${array}_$task"
    gpt2-eval "${arguments[@]}" --quiet --shard "$task/$shards" --out "$work/uninterrupted" >/dev/null
    again=$(($(requested_tokens "$(shard "$task")") - before[task]))
    alone="$(requested_tokens "$work/uninterrupted/shards/$task-of-$shards")"
    check "shard $task continued: its second process requested $again of $alone tokens" \
        is_between 0 "$again" "$alone"
    check "shard $task kept the usage of the $(wc -l <"$work/seconds of $task") tasks that its first process finished" \
        has_kept_usage "$task"
done
must "the merge job ends" wait_for 60 is_in_state "$merge" COMPLETED
check "the merged run is complete" is_complete "$run"

step "The merged run against the run without shards"
same_files() { diff -r --brief --exclude=manifest.json --exclude=.lock --exclude=shards "$whole" "$1"; }
check "the same files, byte for byte" same_files "$run"
printf '        %d files, %d samples\n' "$(find "$whole" -type f ! -name manifest.json ! -name .lock | wc -l)" \
    "$(cat "$whole"/samples/*/*.jsonl | wc -l)"

step "A shard that is missing"
rm -rf -- "$(shard 2)" "$run"/{samples,prompts,baselines,manifest.json,scores.csv,breakdowns.csv,table.md}
status=0
gpt2-eval merge "$run" >"$work/merged" 2>&1 || status=$?
check "merge ends with exit code 3" test "$status" = 3
check "and writes nothing" test ! -e "$run/scores.csv"
command="$(sed -n "s|^  shard 2/$shards is missing; run: ||p" "$work/merged")"
check "it names the command: $command" test -n "$command"
check "the command fills it" bash -c "$command --quiet >/dev/null"
quietly() { "$@" >/dev/null; }
check "merge ends with exit code 0" quietly gpt2-eval merge "$run" --out "$work/merged elsewhere"
check "the same files, byte for byte" same_files "$work/merged elsewhere"

printf '\n%d passed, %d failed (%d s)\n' "$passed" "$failed" "$SECONDS"
[ "$failed" = 0 ]
