#!/usr/bin/env bash
# buf, which lints proto/ and compares it with the baseline: an npm package, at the version that the lock file beside
# its package.json names. Prints the path of the program.
set -euo pipefail
. "$(dirname "$0")/common.sh"

folder=$cache/tools/buf
buf=$folder/node_modules/@bufbuild/buf-linux-$(uname -m | sed s/x86_64/x64/)/bin/buf
lock=$root/tests/setup/buf/package-lock.json

if ! cmp -s "$lock" "$folder/installed.json" || ! "$buf" --version >/dev/null 2>&1; then
    have npm || install_packages nodejs npm
    say "installing buf"
    mkdir -p "$folder"
    cp "$root"/tests/setup/buf/package*.json "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "buf could not be installed from npm"
    "$buf" --version >/dev/null || fail "buf does not run on this machine"
    cp "$lock" "$folder/installed.json"
fi
echo "$buf"
