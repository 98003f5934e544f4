#!/usr/bin/env bash
# Every check, cheap ones first, each whatever became of those before it. What could not run is listed at the end with
# its reason; on a CI machine (CI is set) that is a failure.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

ci=
case "${CI:-}" in "" | 0 | false) ;; *) ci=yes ;; esac
# Nobody answers questions about snapshots here, and a lock file that does not fit is a mistake on a CI machine.
export INSTA_UPDATE=no
locked=${ci:+--locked}

report=()
failed=
not_run=

# check NAME COMMAND...
check() {
    local name=$1 began=$SECONDS outcome=ok
    shift
    printf '\n== %s\n' "$name"
    "$@" || outcome=FAILED
    [ "$outcome" = ok ] || failed=yes
    report+=("$(printf '%-36s %-8s %5d s' "$name" "$outcome" $((SECONDS - began)))")
}

# skip NAME REASON
skip() {
    not_run=yes
    report+=("$(printf '%-36s %-8s %s' "$1" "not run" "$2")")
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export reason_file=$scratch/reason

# set_up SCRIPT: what it prints goes into $found; if it fails, its reason into $reason.
set_up() {
    printf 'tests/setup/%s.sh failed' "$1" >"$reason_file"
    found=$("tests/setup/$1.sh") || { reason=$(cat "$reason_file"); return 1; }
}

set_up build || { skip "everything" "$reason"; failed=yes; }

if [ -z "$failed" ]; then
    check rustfmt cargo fmt --all --check

    if set_up buf; then
        check "buf lint" "$found" lint proto
        check "buf breaking" "$found" breaking proto --against proto/baseline.binpb
    else
        skip "buf lint, buf breaking" "$reason"
    fi

    # Not advisories: their database is a git repository, which a CI machine may not reach. See `make audit`.
    if set_up cargo-deny; then
        check "cargo-deny: licences, bans, sources" "$found" --log-level error ${locked:+"$locked"} check \
            --hide-inclusion-graph bans licenses sources
    else
        skip "cargo-deny" "$reason"
    fi

    # Always all of the workspace: another choice of crates is another choice of features, and compiles everything anew.
    check clippy cargo clippy --workspace --all-targets ${locked:+"$locked"} -- -D warnings
    check rustdoc env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps ${locked:+"$locked"}
    # The programs by themselves: crash tests run them, and `cargo test` builds only those of crates with tests outside.
    check "build" cargo build --workspace --bins ${locked:+"$locked"}

    # A build of its own, whose nodes can be made to make mistakes: the simulator must notice each of them.
    check "simulator notices mistakes" cargo test --workspace --features daybook-testkit/sabotage ${locked:+"$locked"} \
        --test sabotage -- --nocapture

    # Where the jars cannot be had, the tests can start Kafka in Docker.
    without_kafka=
    if set_up kafka; then
        export DAYBOOK_KAFKA_LIBS=$found
        # Ordinary clients for the tests of inbox topics. Where they cannot be had, those tests say so.
        if set_up kafka-clients; then
            export DAYBOOK_KAFKA_PYTHON=$found
        fi
    elif ! docker info >/dev/null 2>&1; then
        skip "tests on a real Kafka" "$reason"
        # By name: what needs a broker has "kafka" in its name.
        without_kafka=yes
    fi
    without_s3=
    if set_up s3; then
        export DAYBOOK_S3_SERVER=$found
    else
        skip "tests on a real S3 server" "$reason"
        # By name: what needs one has "s3" in its name.
        without_s3=yes
    fi
    # The compilers that typed clients are checked with.
    without_typescript=
    if set_up typescript; then
        export DAYBOOK_TYPESCRIPT=$found
    else
        skip "the generated TypeScript client" "$reason"
        without_typescript=yes
    fi
    without_mypy=
    if set_up mypy; then
        export DAYBOOK_MYPY=$found
    else
        skip "the generated Python client" "$reason"
        without_mypy=yes
    fi
    # Another program that reads mail.
    without_python=
    if set_up python; then
        export DAYBOOK_PYTHON=$found
    else
        skip "mail read by Python's email" "$reason"
        without_python=yes
    fi
    # SDKs of other makers that send events.
    without_event_sdks=
    if set_up event-sdks; then
        export DAYBOOK_EVENT_SDKS_PYTHON=$found
    else
        skip "events sent by OpenTelemetry's and Segment's SDKs" "$reason"
        without_event_sdks=yes
    fi
    # Other programs that read what is exported.
    without_duckdb=
    if set_up duckdb; then
        export DAYBOOK_DUCKDB_PYTHON=$found
    else
        skip "exports read by DuckDB and pandas" "$reason"
        without_duckdb=yes
    fi
    # A browser, for the web application that is instrumented.
    without_browser=
    if set_up browser; then
        export DAYBOOK_BROWSER=$found
    else
        skip "the example application in a browser" "$reason"
        without_browser=yes
    fi
    skipped_by_name=()
    [ -z "$without_duckdb" ] || skipped_by_name+=(--skip duckdb)
    [ -z "$without_browser$without_typescript" ] || skipped_by_name+=(--skip real_browser)
    [ -z "$without_typescript" ] || skipped_by_name+=(--skip typescript_client)
    [ -z "$without_event_sdks" ] || skipped_by_name+=(--skip real_sdk)
    [ -z "$without_mypy" ] || skipped_by_name+=(--skip python_client)
    [ -z "$without_python" ] || skipped_by_name+=(--skip python_email)
    [ -z "$without_kafka" ] || skipped_by_name+=(--skip kafka)
    [ -z "$without_s3" ] || skipped_by_name+=(--skip s3)
    # A node with a network of its own, which is cut. Where none can be made, the test says so.
    if set_up network; then
        export PATH=$PATH:${found%/*}
    fi
    # Tests that cannot run on this machine write their name and the reason here.
    export DAYBOOK_SKIPPED_FILE=$scratch/skipped
    touch "$DAYBOOK_SKIPPED_FILE"
    check "tests" cargo test --workspace --no-fail-fast ${locked:+"$locked"} -- "${skipped_by_name[@]}"
    while IFS= read -r line; do
        skip "${line%%: *}" "${line#*: }"
    done <"$DAYBOOK_SKIPPED_FILE"
fi

printf '\n== make test: %d minutes\n' $((SECONDS / 60))
printf '%s\n' "${report[@]}"
[ -z "$failed" ] || { say "make test: failed"; exit 1; }
[ -z "$not_run" ] || [ -z "$ci" ] || { say "make test: failed: on a CI machine everything must run"; exit 1; }
[ -z "$not_run" ] || say "make test: passed, but not everything ran"
