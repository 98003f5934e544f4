#!/usr/bin/env bash
# DuckDB, pandas and pyarrow, which the tests read exported tables with, in an environment of their own. Prints the path
# of its Python.
set -euo pipefail
. "$(dirname "$0")/common.sh"

requirements=$root/tests/setup/duckdb/requirements.txt
folder=$cache/tools/duckdb
python=$folder/bin/python

if ! cmp -s "$requirements" "$folder/requirements.txt" || ! "$python" -c 'import duckdb, pandas, pyarrow' 2>/dev/null; then
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "installing DuckDB, pandas and pyarrow"
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "no Python environment could be made; install python3-venv"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2 ||
        fail "DuckDB, pandas and pyarrow could not be installed from PyPI; they need Python 3.11 or later"
    cp "$requirements" "$folder/requirements.txt"
fi
echo "$python"
