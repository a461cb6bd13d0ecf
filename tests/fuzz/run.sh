#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   sh tests/fuzz/run.sh [NAME...]
#
# Builds the libFuzzer targets with clang and the address and undefined-behaviour sanitizers, and runs each (or
# only those named: saved-lock, stat, catalog, …) on its corpus. Prints TAP; a finding fails it, shows its report
# and leaves the input in the build folder.
#
# AGENTCTL_LOCKS_FUZZ_SECONDS   how long each runs; default 60
# AGENTCTL_LOCKS_FUZZ_RUNS      instead: how many inputs each gets
# AGENTCTL_LOCKS_FUZZ_BUILD     where to build; default: build/fuzz in the source tree
set -u
SOURCE=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
# shellcheck source=tests/lib/packages.sh
. "$SOURCE/tests/lib/packages.sh"

case ${1-} in
-h | --help)
    sed -n '4,12s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

fail_early() {
    echo "1..1"
    echo "not ok 1 - $1"
    exit 1
}

need_packages build check || fail_early "packages are missing"

build=${AGENTCTL_LOCKS_FUZZ_BUILD:-$SOURCE/build/fuzz}
case $build in /*) ;; *) build=$PWD/$build ;; esac
mkdir -p "$build" || fail_early "no folder to build in"

if [ $# -eq 0 ]; then
    for file in "$SOURCE"/tests/fuzz/fuzz-*.c; do
        name=${file##*/fuzz-}
        set -- "$@" "${name%.c}"
    done
fi

configure() {
    [ -f "$build/build.ninja" ] && return 0
    # -Db_lundef: the sanitizers' functions are found only when the programs are linked.
    CC=clang meson setup "$build" "$SOURCE" -Dfuzz=true -Dtests=true -Dbuildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
}

build_targets() {
    targets=
    for name; do
        targets="$targets tests/fuzz/fuzz-$name"
    done
    # shellcheck disable=SC2086 # a list
    ninja -C "$build" $targets
}

if ! configure >"$build/setup.log" 2>&1; then
    cat "$build/setup.log" >&2
    fail_early "meson could not configure the build"
fi
if ! build_targets "$@" >"$build/ninja.log" 2>&1; then
    cat "$build/ninja.log" >&2
    fail_early "the build failed"
fi

# GLib's own allocator would hide what the sanitizer looks for.
export G_SLICE=always-malloc
export G_DEBUG=gc-friendly,fatal-criticals
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# What is found goes to a folder of the build; the corpus in the source tree is only read.
fuzz() {
    work=$build/work/$1
    mkdir -p "$work/inputs" "$work/findings" || return 1
    set -- "$1" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 -artifact_prefix="$work/findings/"
    name=$1
    shift
    if [ -n "${AGENTCTL_LOCKS_FUZZ_RUNS-}" ]; then
        set -- "$@" -runs="$AGENTCTL_LOCKS_FUZZ_RUNS"
    else
        set -- "$@" -max_total_time="${AGENTCTL_LOCKS_FUZZ_SECONDS:-60}"
    fi
    if [ -f "$SOURCE/tests/fuzz/$name.dict" ]; then
        set -- "$@" -dict="$SOURCE/tests/fuzz/$name.dict"
    fi
    "$build/tests/fuzz/fuzz-$name" "$@" "$work/inputs" "$SOURCE/tests/fuzz/corpus/$name" >"$work/log" 2>&1
}

echo "1..$#"
number=0
failed=0
for name; do
    number=$((number + 1))
    if fuzz "$name"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/work/$name/log")
        echo "ok $number - $name: $runs inputs"
    else
        failed=1
        tail -n 60 "$build/work/$name/log" >&2
        echo "not ok $number - $name: see $build/work/$name"
    fi
done
exit $failed
