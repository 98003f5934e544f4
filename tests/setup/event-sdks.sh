#!/usr/bin/env bash
# SDKs of other makers that send events of product use: OpenTelemetry's and Segment's for Python, in an environment of their
# own. Prints the path of the Python that has them.
set -euo pipefail
. "$(dirname "$0")/common.sh"

otel=1.45.0
segment=2.3.4
folder=$cache/tools/event-sdks
python=$folder/bin/python

is_there() {
    "$python" -c "
from importlib.metadata import version
assert version('opentelemetry-exporter-otlp-proto-http') == '$otel'
assert version('segment-analytics-python') == '$segment'" >/dev/null 2>&1
}

if ! is_there; then
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "installing opentelemetry $otel and segment-analytics-python $segment"
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "no Python environment could be made; install python3-venv"
    "$python" -m pip install --quiet --disable-pip-version-check "opentelemetry-sdk==$otel" \
        "opentelemetry-exporter-otlp-proto-http==$otel" "segment-analytics-python==$segment" >&2 ||
        fail "the SDKs could not be installed from PyPI"
fi
echo "$python"
