#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A booted machine: a Debian tree with the project installed into it, a real systemd that starts the service by
# bus activation with the unit's sandbox in force, two users and root at work. Once with dbus-daemon as the bus,
# once, after a reboot, with dbus-broker. Needs root. The tree is kept for the next time.
set -u
SOURCE=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
# shellcheck source=tests/lib/packages.sh
. "$SOURCE/tests/lib/packages.sh"
# shellcheck source=tests/lib/build.sh
. "$SOURCE/tests/lib/build.sh"

fail_early() {
    echo "tests/full/booted.sh: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail_early "only root can boot a machine"
need_packages boot || fail_early "packages are missing"

work=${AGENTCTL_LOCKS_BUILD_DIR:-$SOURCE/build/tests}-booted
mkdir -p "$work" || fail_early "no folder to work in"
build_in "$work/build" --prefix=/usr --sysconfdir=/etc --localstatedir=/var -Dtests=false ||
    fail_early "the build failed"

# Kept for the next time, unless that needs something else.
include=systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,dbus-broker,polkitd,procps,libjson-glib-1.0-0,libglib2.0-bin
if [ "$(cat "$work/base.is" 2>/dev/null)" != "$include" ]; then
    rm -rf "$work/base" "$work/base.is"
    debootstrap --variant=minbase --include="$include" bookworm "$work/base" \
        "${AGENTCTL_LOCKS_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" 2>&1 || {
        cat "$work/debootstrap.log" >&2
        fail_early "debootstrap failed"
    }
    echo "$include" >"$work/base.is"
fi

exec /usr/bin/python3 "$SOURCE/tests/full/booted.py" "$work"
