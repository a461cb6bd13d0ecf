#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   sh tests/run.sh [--full] [--list] [NAME...]
#
# Installs what the tests need and is not there, builds, runs them all, and ends with "N passed, N failed".
# NAME: only these tests ("deaths") or suites ("unit", "integration"). --full: the long ones too
# (tests/full/*.sh). --list: what there is.
#
# AGENTCTL_LOCKS_BUILD_DIR       where to build; default: build/tests in the source tree
# AGENTCTL_LOCKS_MESON_OPTIONS   more options for meson setup
# AGENTCTL_LOCKS_CASE            integration tests: only cases whose name contains this
# AGENTCTL_LOCKS_TEST_SLOW       how many times slower than usual this machine or build may be; default 1
set -u
SOURCE=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
# shellcheck source=tests/lib/packages.sh
. "$SOURCE/tests/lib/packages.sh"
# shellcheck source=tests/lib/build.sh
. "$SOURCE/tests/lib/build.sh"

case ${1-} in
-h | --help)
    sed -n '4,14s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# Also what goes wrong before the first test is a failure, said in the same form.
fail_early() {
    echo "tests/run.sh: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

need_packages build try test || fail_early "packages are missing"

# Tests of filesystems that do not answer need FUSE. Any machine has the device; a bare container may lack it.
if [ ! -e /dev/fuse ] && [ "$(id -u)" -eq 0 ]; then
    echo "Making the device /dev/fuse"
    mknod -m 666 /dev/fuse c 10 229 || fail_early "no /dev/fuse"
fi

build=${AGENTCTL_LOCKS_BUILD_DIR:-$SOURCE/build/tests}
case $build in /*) ;; *) build=$PWD/$build ;; esac
mkdir -p "$build" || fail_early "no folder to build in"
# Two runs in one folder take turns; with AGENTCTL_LOCKS_BUILD_DIR each has its own.
exec 9>"$build/.in-use" || fail_early "cannot write to $build"
if ! flock -n 9; then
    echo "Another run uses $build: waiting for its end"
    flock 9
fi

echo "Building in $build"
# shellcheck disable=SC2086 # options
build_in "$build" -Dtests=true ${AGENTCTL_LOCKS_MESON_OPTIONS-} 9>&- || fail_early "the build failed"

exec /usr/bin/python3 "$SOURCE/tests/lib/run_tests.py" --source "$SOURCE" --build "$build" "$@"
