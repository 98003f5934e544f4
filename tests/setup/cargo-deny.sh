#!/usr/bin/env bash
# cargo-deny, which reads deny.toml: compiled from crates.io once (the prebuilt ones in package registries are old and
# not its authors'), lightly optimised, because it runs for a second. Prints the path of the program.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

version=0.20.2
folder=$cache/tools/cargo-deny-$version

if [ ! -x "$folder/bin/cargo-deny" ]; then
    say "compiling cargo-deny: two minutes"
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR=$folder/target \
        cargo install --quiet --locked --root "$folder" --version "$version" cargo-deny >&2 ||
        fail "cargo-deny could not be compiled; run: cargo install --locked cargo-deny --version $version"
    rm -rf "$folder/target"
fi
echo "$folder/bin/cargo-deny"
