#!/usr/bin/env bash
# A real Apache Kafka for tests and benchmarks: its jars from Maven Central, and a Java to run them. Prints the folder
# of the jars. The jars come before Docker, because tests stop and restart the broker and use Kafka's own tools.
set -euo pipefail
. "$(dirname "$0")/common.sh"

pom=$root/tests/setup/kafka/pom.xml
folder=$cache/kafka
libs=$folder/libs
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

# Kafka 4 runs on Java 17 and later.
java_17() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ]
}

java_17 || install_packages default-jre-headless
java_17 || fail "Java 17 or later is needed for Kafka; install one, for example openjdk-17-jre-headless"

# The pom beside the jars says what they were fetched for.
if ! cmp -s "$pom" "$folder/pom.xml"; then
    have mvn || install_packages maven
    say "fetching Kafka's jars"
    mkdir -p "$folder"
    rm -rf "$folder/fetched"
    mvn -q -B -f "$pom" "$plugin:copy-dependencies" -DoutputDirectory="$folder/fetched" >&2 ||
        fail "Kafka's jars could not be fetched from Maven Central"
    rm -rf "$libs"
    mv "$folder/fetched" "$libs"
    cp "$pom" "$folder/pom.xml"
fi
echo "$libs"
