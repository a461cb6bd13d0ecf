#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   sh tests/bench.sh [--page | --growth] [JSON]
#
# Builds a release and measures it against references in the same run: tables, and the same as JSON in the
# file JSON (default: bench.json in the build folder). docs/performance.md says what each row means; with
# --page its tables are replaced by those of this run. With --growth only how each cost grows with the number
# of locks is measured.
#
# AGENTCTL_LOCKS_BENCH_DIR   where to build; default: build/bench in the source tree
set -u
what=
SOURCE=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
# shellcheck source=tests/lib/packages.sh
. "$SOURCE/tests/lib/packages.sh"
# shellcheck source=tests/lib/build.sh
. "$SOURCE/tests/lib/build.sh"

case ${1-} in
-h | --help)
    sed -n '4,13s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
--page)
    what=$SOURCE/docs/performance.md
    shift
    ;;
--growth)
    what=growth
    shift
    ;;
esac

need_packages build try bench || exit 1
build=${AGENTCTL_LOCKS_BENCH_DIR:-$SOURCE/build/bench}
case $build in /*) ;; *) build=$PWD/$build ;; esac
json=${1:-$build/bench.json}
echo "Building a release in $build"
build_in "$build" --buildtype=release -Dbench=true -Dtests=false || exit 1

# Ten thousand holders are as many descriptors for the service; it raises its own limit as far as it may.
hard=$(sed -n 's/^Max open files *[^ ]* *\([^ ]*\).*/\1/p' /proc/self/limits)
if [ "$hard" != unlimited ] && [ "$hard" -lt 12000 ]; then
    echo "The limit of descriptors is $hard, and 12000 are needed: raise it (ulimit -H -n 12000) first" >&2
    exit 1
fi

# The catalogue of this tree, not that of the machine.
AGENTCTL_LOCKS_AGENTS_DIR=$SOURCE/data/agents.d
export AGENTCTL_LOCKS_AGENTS_DIR
"$build/tests/bench/bench" "$build/tests/bench" "$build/src/service/agentctl-locksd" \
    "$build/src/client/agentctl-locks" "$json" ${what:+"$what"} || exit 1
echo "The same as JSON: $json"

# Where the applet is built: how fluid its window is with a thousand locks (tests/bench/applet-frames.c), in milliseconds.
if [ "$what" != growth ] && [ -x "$build/tests/bench/applet-frames" ] && command -v Xvfb >/dev/null; then
    echo "Frames of the applet:"
    "$build/tests/bench/applet-frames" 1000 0 && "$build/tests/bench/applet-frames" 1000 400
fi
