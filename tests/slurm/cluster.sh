# shellcheck shell=bash
# A Slurm cluster of one node, for the shell that sources this file: munged, slurmctld and slurmd without systemd and
# without cgroups, everything in one directory. Needs root.
#
#   source tests/slurm/cluster.sh
#   install_slurm
#   start_cluster DIRECTORY      # below directories that every user can enter; exports SLURM_CONF, so that sbatch, squeue and scontrol mean this cluster
#   stop_cluster                 # ends the jobs and the daemons that start_cluster started, by process id
#
# The node claims 64 cores and 256 GB, so that scripts with usual requests run on a small machine.

cluster_daemons=()
cluster_answers=""

# wait_for SECONDS COMMAND…: runs COMMAND until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# Installs Debian's packages without starting their services.
install_slurm() {
    if command -v slurmctld slurmd munged sbatch >/dev/null; then
        return 0
    fi
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        policy=""
    else
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends slurm-wlm munge; } \
        || status=$?
    [ -z "$policy" ] || rm -f "$policy"
    return "$status"
}

# A free TCP port.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

start_cluster() {
    local directory="$1" host controller_port node_port
    host="$(hostname -s)"
    controller_port="$(free_port)"
    node_port="$controller_port"
    while [ "$node_port" = "$controller_port" ]; do
        node_port="$(free_port)"
    done
    mkdir -p "$directory"/{munge,state,spool}
    # munged requires a socket that every user can reach, and a key that only it can read.
    chmod 0755 "$directory" "$directory/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$directory/munge/key")
    cat >"$directory/slurm.conf" <<CONF
ClusterName=gpt2eval
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job restarts when its credentials expire: after 5 seconds instead of 120.
AuthInfo=socket=$directory/munge/socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=3
MinJobAge=3600
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# The node may claim more than the machine has.
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=64 RealMemory=262144 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$directory/slurm.conf"
    munged --foreground --key-file="$directory/munge/key" --socket="$directory/munge/socket" \
        --pid-file="$directory/munge/pid" --seed-file="$directory/munge/seed" \
        >"$directory/munge/log" 2>&1 &
    cluster_daemons+=($!)
    wait_for 10 test -S "$directory/munge/socket" || { cat "$directory/munge/log"; return 1; }
    slurmctld -D -i -f "$SLURM_CONF" >/dev/null 2>&1 &
    cluster_daemons+=($!)
    slurmd -D -f "$SLURM_CONF" >/dev/null 2>&1 &
    cluster_daemons+=($!)
    wait_for 30 cluster_is_up || { tail -n 20 "$directory"/*.log; return 1; }
    cluster_answers=yes
}

cluster_is_up() {
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]
}

queue_is_empty() {
    [ -z "$(squeue --noheader 2>/dev/null)" ]
}

stop_cluster() {
    [ "${#cluster_daemons[@]}" -gt 0 ] || return 0
    if [ -n "$cluster_answers" ]; then
        scancel --partition=all 2>/dev/null || true
        wait_for 15 queue_is_empty || true
    fi
    # Each daemon before the one that it needs: slurmd, slurmctld, munged.
    local index
    for ((index = ${#cluster_daemons[@]} - 1; index >= 0; index--)); do
        kill "${cluster_daemons[index]}" 2>/dev/null || true
        wait "${cluster_daemons[index]}" 2>/dev/null || true
    done
    cluster_daemons=()
    cluster_answers=""
}
