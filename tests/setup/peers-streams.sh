#!/usr/bin/env bash
# The peer of the benchmark that runs on Kafka Streams: its jars from Maven Central, compiled. Prints the class path.
set -euo pipefail
. "$(dirname "$0")/common.sh"

source=$root/crates/bench/peers/streams
broker=$root/tests/setup/kafka/pom.xml
folder=$cache/kafka-streams
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

# The first version in a pom that follows a name.
version_of() { sed -n "/<artifactId>$2</,/<version>/ s|.*<version>\(.*\)</version>.*|\1|p" "$1"; }

[ "$(version_of "$source/pom.xml" kafka-streams)" = "$(version_of "$broker" kafka_2.13)" ] ||
    fail "Kafka Streams and the broker are of different versions: $source/pom.xml, $broker"

have javac || install_packages default-jdk-headless

# The pom beside the jars says what they were fetched for.
if ! cmp -s "$source/pom.xml" "$folder/pom.xml"; then
    have mvn || install_packages maven
    say "fetching the jars of Kafka Streams"
    mkdir -p "$folder"
    rm -rf "$folder/fetched"
    mvn -q -B -f "$source/pom.xml" "$plugin:copy-dependencies" -DoutputDirectory="$folder/fetched" >&2 ||
        fail "the jars of Kafka Streams could not be fetched from Maven Central"
    rm -rf "$folder/libs"
    mv "$folder/fetched" "$folder/libs"
    cp "$source/pom.xml" "$folder/pom.xml"
fi
rm -rf "$folder/classes"
javac -Xlint:all -Werror -proc:none -d "$folder/classes" -cp "$folder/libs/*" "$source"/*.java >&2 ||
    fail "the Kafka Streams peer does not compile"
echo "$folder/classes:$folder/libs/*"
