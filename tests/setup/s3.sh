#!/usr/bin/env bash
# A real S3 server for the tests of snapshots and of the archived log: versitygw, which serves a folder. Compiled once, at
# the version below, whose modules Go checks against its checksum database. Prints the path of the program.
set -euo pipefail
. "$(dirname "$0")/common.sh"

version=v1.8.0
folder=$cache/tools/versitygw-$version
program=$folder/versitygw

if ! "$program" --version >/dev/null 2>&1; then
    [ -x /usr/local/go/bin/go ] && PATH=$PATH:/usr/local/go/bin
    have go || install_packages golang-go ca-certificates
    say "compiling versitygw, an S3 server: two minutes"
    mkdir -p "$folder"
    # A Go that is too old for it fetches the one that its go.mod names.
    GOBIN=$folder GOTOOLCHAIN=auto GOFLAGS=-modcacherw GOPATH=$folder/go \
        go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2 ||
        fail "versitygw could not be compiled; Go must reach its module proxy: go install github.com/versity/versitygw/cmd/versitygw@$version"
    rm -rf "$folder/go"
    "$program" --version >/dev/null || fail "versitygw does not run on this machine"
fi
echo "$program"
