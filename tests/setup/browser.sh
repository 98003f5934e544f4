#!/usr/bin/env bash
# A Chromium without a screen, and the library that drives it, for the test of the example application: whatever Chromium
# is on the machine, else Debian's package; an npm package at the version that the lock file beside its package.json
# names. Prints a folder: its node_modules hold playwright-core, its `chromium` leads to the browser.
set -euo pipefail
. "$(dirname "$0")/common.sh"

folder=$cache/tools/browser
lock=$root/tests/setup/browser/package-lock.json

# What is started may be a script that looks for the browser beside itself, so it is called by its own path.
find_browser() { command -v chromium || command -v google-chrome || command -v google-chrome-stable; }
node_18() { have node && [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 18 ]; }

node_18 && have npm || install_packages nodejs npm
node_18 || fail "Node 18 or later is needed; install it as https://nodejs.org says, then run make again"
# A browser without any font draws nothing, so nothing could be looked at.
find_browser >/dev/null || install_packages chromium fonts-liberation
browser=$(find_browser) || fail "no Chromium was found; install the package chromium, then run make again"
"$browser" --version >/dev/null 2>&1 || fail "$browser does not run on this machine"

if ! cmp -s "$lock" "$folder/installed.json" || [ ! -e "$folder/node_modules/playwright-core/index.mjs" ]; then
    say "installing playwright-core"
    mkdir -p "$folder"
    cp "$root"/tests/setup/browser/package*.json "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "playwright-core could not be installed from npm"
    cp "$lock" "$folder/installed.json"
fi
ln -sfn "$browser" "$folder/chromium"
echo "$folder"
