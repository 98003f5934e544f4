#!/usr/bin/env bash
# Ordinary Kafka clients, which the tests of inbox topics run as producers: Python's, in an environment of its own, and a
# Java compiler for Kafka's own. Prints the path of the Python that has the client.
set -euo pipefail
. "$(dirname "$0")/common.sh"

version=2.6.1
folder=$cache/tools/kafka-python
python=$folder/bin/python

have javac || install_packages default-jdk-headless

if ! "$python" -c "import confluent_kafka as k; assert k.version()[0] == '$version'" >/dev/null 2>&1; then
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "installing confluent-kafka $version"
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "no Python environment could be made; install python3-venv"
    "$python" -m pip install --quiet --disable-pip-version-check "confluent-kafka==$version" >&2 ||
        fail "confluent-kafka could not be installed from PyPI"
fi
echo "$python"
