# The node of `make up`: where its files lie, and whether it runs.
# shellcheck shell=bash disable=SC2034,SC2154

state=$root/.daybook
ready=$state/ready.json
log=$state/node.log

# node_field NAME: what the node wrote when it became ready.
node_field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$ready"; }

# The process id is not enough: after a restart of the machine it may be somebody else's.
node_runs() {
    [ -e "$ready" ] && [[ $(readlink "/proc/$(node_field pid)/exe") == "$root/bin/daybook"* ]]
}
