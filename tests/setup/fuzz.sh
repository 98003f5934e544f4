#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET]: looks for inputs that break a decoder, for so many seconds in all, on every target or on one.
# What breaks one is kept in fuzz/corpora/TARGET, where `make test` runs it; what reaches new code is kept outside the
# checkout, for the next run.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

seconds=$1
only=${2:-}

mapfile -t targets < <(ls fuzz/corpora)
if [ -n "$only" ]; then
    [ -d "fuzz/corpora/$only" ] || fail "there is no target $only; there are: ${targets[*]}"
    targets=("$only")
fi
each=$((seconds / ${#targets[@]}))
[ "$each" -ge 2 ] || each=2

RUSTC_WORKSPACE_WRAPPER=$root/tests/setup/instrument.sh \
    cargo build --workspace --bin fuzz --features daybook-fuzz/libfuzzer
program=$CARGO_TARGET_DIR/debug/fuzz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The stack of a thread of a node, and more memory than any input may need: what asks for more is aborted. In KiB.
stack_max=2048
memory_max=$((4 << 20))

broken=()
for target in "${targets[@]}"; do
    kept=$root/fuzz/corpora/$target
    found=$CARGO_TARGET_DIR/fuzz/$target
    mkdir -p "$found"
    before=$(ls "$kept")
    outcome=0
    (
        ulimit -s "$stack_max" -v "$memory_max"
        cd "$scratch"
        export DAYBOOK_FUZZ_TARGET=$target DAYBOOK_FUZZ_LAST=$scratch/last
        exec "$program" -max_total_time="$each" -timeout=10 -max_len=16384 -artifact_prefix="$kept/" \
            -print_final_stats=1 "$found" "$kept"
    ) >"$scratch/output" 2>&1 || outcome=$?
    if [ "$outcome" -eq 0 ]; then
        # Executed, by second; the edges and features of the code that were reached.
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/output")
        reached=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$scratch/output" | tail -1)
        printf '%-18s ok, %8d inputs in %d s, %s\n' "$target" "$runs" "$each" "$reached"
        continue
    fi
    new=$(comm -13 <(printf '%s\n' "$before") <(ls "$kept") | head -1)
    if [ -z "$new" ]; then
        new=crash-$(sha1sum <"$scratch/last" | cut -c1-16)
        cp "$scratch/last" "$kept/$new"
    fi
    broken+=("$target")
    grep -m1 -A3 -E 'panicked at|ERROR: libFuzzer|overflowed' "$scratch/output" >&2 || tail -5 "$scratch/output" >&2
    printf '%-18s BROKEN by fuzz/corpora/%s/%s\n' "$target" "$target" "$new"
    say "  run it again: DAYBOOK_FUZZ_TARGET=$target $program fuzz/corpora/$target/$new"
    say "  or:           cargo test --workspace --test fuzz"
done

[ ${#broken[@]} -eq 0 ] || fail "broken: ${broken[*]}; mend it and keep the inputs: make test runs them from now on"
