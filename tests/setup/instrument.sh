#!/usr/bin/env bash
# Stands in for rustc where cargo compiles a crate of this workspace (RUSTC_WORKSPACE_WRAPPER): libraries and programs
# come out with the counters and compare hooks that libFuzzer steers by. They are LLVM's SanitizerCoverage, which stable
# Rust reaches by stable options. Dependencies are compiled without, and shared with every other build: RocksDB's C++ is
# not compiled again. Cargo keeps what comes out apart from crates compiled without.
set -euo pipefail

build_script=
crate_type=
previous=
for argument in "$@"; do
    case "$previous $argument" in
    "--crate-name build_script"*) build_script=yes ;;
    "--crate-type lib" | "--crate-type bin") crate_type=yes ;;
    esac
    previous=$argument
done
if [ -z "$build_script" ] && [ -n "$crate_type" ]; then
    set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
fi
exec "$@"
