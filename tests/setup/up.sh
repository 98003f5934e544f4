#!/usr/bin/env bash
# One development node in the background, on the embedded log. Its data lies where the program looks by itself, so that
# the command line finds the node and its keys without any option.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/node.sh"
cd "$root"

if node_runs; then
    say "a node is running already (process $(node_field pid)); for the program just built: make down up"
else
    mkdir -p "$state"
    rm -f "$ready"
    # A session of its own: the end of make or of the terminal is not the end of the node.
    setsid bin/daybook serve --dev --ready-file "$ready" >"$log" 2>&1 </dev/null &
    pid=$!
    # A large log takes a while to be read again, so there is no limit as long as the node lives.
    waited=0
    until [ -e "$ready" ]; do
        kill -0 "$pid" 2>/dev/null || {
            tail -n 20 "$log" >&2
            fail "the node did not start; its last lines are above, all of them in $log"
        }
        waited=$((waited + 1))
        [ $((waited % 100)) -ne 0 ] || say "waiting for the node: $(tail -n 1 "$log")"
        sleep 0.1
    done
fi

address=$(node_field address)
cat <<END

Daybook listens on $address (gRPC, and the same methods as JSON); metrics and health on $(node_field metrics_address).
It is a development node: it signs its own tokens. Its messages go to ${log#"$root/"}.

See a legal hold stop a deletion, with a real mailbox:
    bin/daybook demo

Place a hold yourself, three ways:
    bin/daybook hold place --name "Project X" --reason "litigation" --custodian ann@example.com

    TOKEN=\$(bin/daybook token)
    curl -s http://$address/daybook.legal_hold.v1.LegalHoldService/PlaceHold \\
      -H "Authorization: Bearer \$TOKEN" -H "Content-Type: application/json" \\
      -d '{"name": "Project Y", "reason": "litigation", "scope": {"caseIds": ["case-7"]}}'
    grpcurl -plaintext -H "Authorization: Bearer \$TOKEN" \\
      -d '{"name": "Project Z", "reason": "litigation", "scope": {"case_ids": ["case-8"]}}' \\
      $address daybook.legal_hold.v1.LegalHoldService/PlaceHold

Look at it:      bin/daybook hold list; bin/daybook hold audit; bin/daybook status
Stop the node:   make down
END
