# shellcheck shell=bash
# Read by the other scripts in this folder: where things lie, what is said, how a package is installed.

# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Outside the checkout, so that a fresh clone finds what an earlier one has fetched and built.
cache=${DAYBOOK_CACHE:-$HOME/.cache/daybook}
export PATH=$HOME/.cargo/bin:$PATH
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

say() { printf '%s\n' "$*" >&2; }

# fail WHAT AND WHAT TO DO: the end of a script. The summary of `make test` shows it.
fail() {
    say "error: $*"
    printf '%s' "$*" >"${reason_file:-/dev/null}"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# install_packages PACKAGE...: Debian packages, as root or by sudo.
install_packages() {
    local as_root=()
    have apt-get || fail "missing: $*; only apt is known here: install what these Debian packages hold, then run make again"
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "missing: $*; as root, run: apt-get install $*"
        as_root=(sudo)
    fi
    say "installing packages: $*"
    # Lists may be missing on a fresh machine. One source that does not answer need not matter: the install tells.
    "${as_root[@]}" apt-get update -qq >&2 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >&2 ||
        fail "packages could not be installed; as root, run: apt-get install $*"
}
