#!/usr/bin/env bash
# What a build needs and this machine lacks: a C++ compiler (RocksDB, librdkafka and jemalloc are compiled from source),
# libclang (RocksDB's bindings are made from its header), OpenSSL's and zlib's headers (librdkafka), and the Rust that
# rust-toolchain.toml names. The protobuf compiler is a crate.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

missing=()
# need PACKAGE CHECK...: the package is missing when the check fails.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

compilers() { have cc && have c++ && have make; }

# The library by itself is not enough: clang's own stddef.h must lie beside it.
libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' && compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h'
}

need build-essential compilers
need pkg-config have pkg-config
need libssl-dev pkg-config --exists openssl
need zlib1g-dev pkg-config --exists zlib
need libclang-dev libclang
if ! have cargo; then
    need curl have curl
    need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
fi
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"

channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
if ! have cargo; then
    say "installing rustup in ~/.cargo and ~/.rustup"
    curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh |
        sh -s -- -y --quiet --no-modify-path --profile minimal --default-toolchain none ||
        fail "rustup could not be installed; install it as https://rustup.rs says, then run make again"
    hash -r
fi
if have rustup; then
    # Not by itself at first use: that can be switched off (RUSTUP_AUTO_INSTALL).
    { rustup run "$channel" cargo clippy --version && rustup run "$channel" cargo fmt --version; } >/dev/null 2>&1 ||
        rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt --no-self-update ||
        fail "Rust $channel could not be installed; run: rustup toolchain install $channel"
else
    # A Rust that did not come by rustup is only looked at.
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$channel" "$found" | sort -V | head -1)" = "$channel" ] ||
        fail "Rust $found is too old, $channel is needed; install rustup (https://rustup.rs), then run make again"
fi
