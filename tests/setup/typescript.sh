#!/usr/bin/env bash
# The TypeScript compiler and a Node to run it, for the tests of generated clients: an npm package, at the version that
# the lock file beside its package.json names. Prints the path of the compiler, a script for Node.
set -euo pipefail
. "$(dirname "$0")/common.sh"

folder=$cache/tools/typescript
compiler=$folder/node_modules/typescript/bin/tsc
lock=$root/tests/setup/typescript/package-lock.json

# Clients run on Node 18 and later.
node_18() { have node && [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 18 ]; }

node_18 && have npm || install_packages nodejs npm
node_18 || fail "Node 18 or later is needed for TypeScript; install it as https://nodejs.org says, then run make again"

if ! cmp -s "$lock" "$folder/installed.json" || ! node "$compiler" --version >/dev/null 2>&1; then
    say "installing TypeScript"
    mkdir -p "$folder"
    cp "$root"/tests/setup/typescript/package*.json "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "TypeScript could not be installed from npm"
    node "$compiler" --version >/dev/null || fail "TypeScript does not run on this machine"
    cp "$lock" "$folder/installed.json"
fi
echo "$compiler"
