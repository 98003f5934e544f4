#!/usr/bin/env bash
# Python with its standard library: its `email` and `mailbox` read the same mail as ours, for comparison. Prints the path of
# the interpreter.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# Older ones lack what the script that is compared with uses.
is_new_enough='import sys; sys.exit(sys.version_info < (3, 10))'

have python3 || install_packages python3
python3 -c "$is_new_enough" || fail "python3 is older than 3.10: mail is compared with what that reads"
command -v python3
