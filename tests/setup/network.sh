#!/usr/bin/env bash
# iproute2, with which tests give a node a network of its own and cut it. Prints the path of `ip`.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# Where Debian puts it is not on everybody's path.
export PATH=$PATH:/usr/sbin:/sbin
have ip || install_packages iproute2
command -v ip
