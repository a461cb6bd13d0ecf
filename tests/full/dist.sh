#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2317 # called through check
# A release as "meson dist" makes it: it has what git has, builds outside of git, and installs what this tree installs.
set -u
SOURCE=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/agl-dist.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
echo "1..4"
number=0
failed=0

check() { # NAME COMMAND...
    name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/log" 2>&1; then
        echo "ok $number $name"
    else
        echo "not ok $number $name"
        sed 's/^/# /' "$work/log"
        failed=1
    fi
}

# What is committed, whatever else lies about: from a clone.
make_release() {
    git clone -q --no-hardlinks "$SOURCE" "$work/clone" &&
        meson setup "$work/build" "$work/clone" &&
        meson dist -C "$work/build" --no-tests --formats=xztar &&
        mkdir "$work/release" &&
        tar -xJf "$work"/build/meson-dist/*.tar.xz -C "$work/release" --strip-components=1
}

compare_files() {
    (cd "$work/clone" && git ls-files | sort) >"$work/in-git"
    (cd "$work/release" && find . -type f -o -type l | sed 's,^\./,,' | sort) >"$work/in-release"
    [ -s "$work/in-git" ] && diff "$work/in-git" "$work/in-release"
}

build_release() {
    meson setup -Dwerror=true "$work/out" "$work/release" && ninja -C "$work/out"
}

compare_installed() {
    AGENTCTL_LOCKS_BUILD_DIR=$work/out PYTHONDONTWRITEBYTECODE=1 \
        /usr/bin/python3 "$work/release/tests/docs/installed.py"
}

check "meson dist makes an archive" make_release
check "it has every file that git has, and no other" compare_files
check "it builds without git" build_release
check "it installs every file" compare_installed
exit $failed
