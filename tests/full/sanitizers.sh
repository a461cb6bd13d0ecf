#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit and integration tests once more, with AddressSanitizer, its leak check and UndefinedBehaviorSanitizer in
# everything. With names as arguments: those tests or suites instead. Without the applet: what GTK and its themes keep until
# the end would hide what we leak.
set -u
SOURCE=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
# GLib keeps type data and thread-local state until the end on purpose; only what nothing points to is a leak.
# The system's GLib has no frame pointers, so the stacks of leaks are short; with fast_unwind_on_malloc=0 in
# ASAN_OPTIONS they are whole, and everything takes many times longer.
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
export AGENTCTL_LOCKS_BUILD_DIR="${AGENTCTL_LOCKS_BUILD_DIR:-$SOURCE/build/tests}-sanitized"
export AGENTCTL_LOCKS_MESON_OPTIONS="-Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized -Dapplet=disabled"
export AGENTCTL_LOCKS_TEST_SLOW=4
[ $# -gt 0 ] || set -- unit integration
exec sh "$SOURCE/tests/run.sh" "$@"
