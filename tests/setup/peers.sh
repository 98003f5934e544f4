#!/usr/bin/env bash
# The peers of the benchmark that come from PyPI, DuckDB and chDB (ClickHouse in a Python package), in an environment of
# their own. Prints the path of the Python that has them.
set -euo pipefail
. "$(dirname "$0")/common.sh"

duckdb=2.0.1
chdb=4.4.0
folder=$cache/tools/peers
python=$folder/bin/python

installed() {
    "$python" -c "from importlib.metadata import version as v
assert (v('duckdb'), v('chdb')) == ('$duckdb', '$chdb')" >/dev/null 2>&1
}

if ! installed; then
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "installing duckdb $duckdb and chdb $chdb"
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "no Python environment could be made; install python3-venv"
    "$python" -m pip install --quiet --disable-pip-version-check "duckdb==$duckdb" "chdb==$chdb" >&2 ||
        fail "duckdb and chdb could not be installed from PyPI"
fi
echo "$python"
