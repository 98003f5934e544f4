#!/usr/bin/env bash
# Stops the node of `make up`; with --data, deletes what it has written as well.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/node.sh"
cd "$root"

# wait_for_end SECONDS PROCESS
wait_for_end() {
    local tries=$(($1 * 10))
    while kill -0 "$2" 2>/dev/null; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

if node_runs; then
    pid=$(node_field pid)
    kill -TERM "$pid"
    # The first signal lets requests under way end, for up to node.shutdown_seconds; the second does not wait for them.
    wait_for_end 25 "$pid" || { kill -TERM "$pid" && wait_for_end 10 "$pid"; } ||
        fail "process $pid does not stop; nothing is lost by: kill -9 $pid"
    say "stopped the node (process $pid)"
else
    say "no node of make up is running"
fi
rm -f "$ready"

if [ "${1:-}" = --data ]; then
    data=${DAYBOOK_NODE__DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/daybook}
    if [ ! -e "$data" ]; then
        say "no data in $data"
    elif [ -d "$data/development" ]; then
        rm -rf "$data" "$state"
        say "deleted $data"
    else
        fail "$data is not the data of a development node; nothing was deleted"
    fi
fi
