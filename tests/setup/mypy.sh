#!/usr/bin/env bash
# mypy, which checks the types of generated Python clients, in an environment of its own. Prints the path of the
# program.
set -euo pipefail
. "$(dirname "$0")/common.sh"

version=2.4.1
folder=$cache/tools/mypy
mypy=$folder/bin/mypy

if [ "$("$mypy" --version 2>/dev/null | cut -d' ' -f2)" != "$version" ]; then
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "installing mypy $version"
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "no Python environment could be made; install python3-venv"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "mypy==$version" >&2 ||
        fail "mypy could not be installed from PyPI"
fi
echo "$mypy"
