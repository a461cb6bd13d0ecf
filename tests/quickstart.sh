#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   sh tests/quickstart.sh
#
# Installs what is missing, builds, and shows what agentctl-locks is for: on a real git work tree, with real
# processes, over a message bus of its own. Every step says what it shows and why, and is checked: one that
# does not come out as it says ends the script with an error. What it starts it ends; what it writes is in
# build/quickstart of this source tree and in a temporary folder that it removes.
set -u
SOURCE=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
# shellcheck source=tests/lib/packages.sh
. "$SOURCE/tests/lib/packages.sh"
# shellcheck source=tests/lib/build.sh
. "$SOURCE/tests/lib/build.sh"

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    strong=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    strong='' plain=''
fi
number=0
work=''
started=''

step() { # TITLE: what is shown; then why, on lines of their own
    number=$((number + 1))
    printf '\n%s%d. %s%s\n' "$strong" "$number" "$1" "$plain"
    shift
    [ $# -eq 0 ] || printf '   %s\n' "$@"
}

fail() {
    printf '\n%sNot as it should be:%s %s\n' "$strong" "$plain" "$1" >&2
    if [ -n "$work" ]; then
        for log in "$work"/*.log; do
            [ -s "$log" ] && printf -- '--- %s\n' "${log##*/}" >&2 && cat "$log" >&2
        done
    fi
    exit 1
}

# Shows a command as one would type it, runs it, and shows what it says. $status and $said are for what follows.
show() {
    printf '\n   $'
    for word in "$@"; do
        case $word in
        '' | *[!A-Za-z0-9_./:=@%+,-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    said=$("$@" 2>&1)
    status=$?
    [ -z "$said" ] || printf '%s\n' "$said" | sed 's/^/   /'
    [ $status -eq 0 ] || echo "   (exit status $status)"
}

expect_status() {
    [ "$status" -eq "$1" ] || fail "exit status $status where $1 was due"
}

expect() { # TEXT...: all of it in what was said
    for text in "$@"; do
        case $said in
        *"$text"*) ;;
        *) fail "\"$text\" is not in what was said" ;;
        esac
    done
}

# Waits for a condition to become true; twenty seconds are for when it never does.
await() {
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "waited in vain for $what"
        sleep 0.1
    done
}

says() { # FILE TEXT
    grep -q -- "$2" "$1"
}

clean_up() {
    trap - EXIT
    for pid in $started; do
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    [ -z "$work" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step "What is needed"
need_packages build try || fail "the packages above are needed"
echo "   a C compiler, meson, GLib, json-glib, D-Bus and git are here"

step "The build" "in build/quickstart"
build=$SOURCE/build/quickstart
begun=$(date +%s)
build_in "$build" -Dtests=false >&2 || fail "the build ended with an error"
echo "   took $(($(date +%s) - begun)) s"

# A home, a bus and folders of its own: nothing of yours is seen or touched.
work=$(mktemp -d "${TMPDIR:-/tmp}/quickstart.XXXXXX") || fail "no temporary folder"
mkdir "$work/home" "$work/run" "$work/bin" || fail "no room in $work"
chmod 700 "$work/run"
bus=unix:path=$work/message-bus
export HOME="$work/home" XDG_RUNTIME_DIR="$work/run" XDG_STATE_HOME="$work/home/state"
export XDG_CONFIG_HOME="$work/home/config" XDG_DATA_HOME="$work/home/data" XDG_CACHE_HOME="$work/home/cache"
export DBUS_SESSION_BUS_ADDRESS="$bus" AGENTCTL_LOCKS_ADDRESS="$bus"
export PATH="$build/src/client:$build/src/service:$work/bin:$PATH" LC_ALL=C.UTF-8
unset DBUS_STARTER_ADDRESS DBUS_STARTER_BUS_TYPE
cat >"$work/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>$bus</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
END

step "A message bus and the service" \
    "On an installed system the bus starts the service by itself; here both are private to this script."
dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile >"$work/bus.log" 2>&1 &
started="$started $!"
await "the message bus" test -S "$work/message-bus"
agentctl-locksd --user >"$work/service.log" 2>&1 &
started="$started $!"
gdbus wait --session --timeout 20 org.agentctl.Locks || fail "the service did not come up"
show busctl --user get-property org.agentctl.Locks /org/agentctl/Locks org.agentctl.Locks Version
expect_status 0

step "A git work tree, and one beside it"
{ git init -q "$work/project" &&
    git -C "$work/project" -c user.name=Tester -c user.email=tester@localhost commit -q --allow-empty -m start &&
    git -C "$work/project" worktree add -q "$work/feature"; } || fail "git"
show git -C "$work/project" worktree list
expect "project" "feature"

# A stand-in of an agent's name that works until it is killed: what counts is that it is a process.
for name in claude codex; do
    # shellcheck disable=SC2016 # for the stand-in
    printf '#!/bin/sh\necho "$0 is at work"\nread -r never <"%s/never"\n' "$work" >"$work/bin/$name"
    chmod +x "$work/bin/$name"
done
mkfifo "$work/never" || fail "mkfifo"

step "An agent takes the work tree" \
    "\"run\" enters the directory, locks it, and becomes the agent: no wrapper stays behind that could die first."
cd "$work/project" || fail "cd"
echo "   \$ agentctl-locks run --reason='the big refactoring' -- claude &"
agentctl-locks run --reason='the big refactoring' -- claude >"$work/first.log" 2>&1 &
first=$!
started="$started $first"
await "the first agent" says "$work/first.log" "at work"
show agentctl-locks list
expect_status 0
expect "$work/project" "$first" "claude"
echo "   The pid, $first, is the agent's own."

step "A second agent is refused" \
    "It hears who holds the directory, since when, why, and what to do; scripts see exit status 75."
show agentctl-locks run -- codex
expect_status 75
expect "$work/project" "$first" "claude" "the big refactoring"

step "The work tree beside it is free" "A lock is on one directory: parallel work trees are what git has them for."
show agentctl-locks check "$work/feature"
expect_status 0
agentctl-locks run "$work/feature" -- codex >"$work/beside.log" 2>&1 &
beside=$!
started="$started $beside"
await "the agent beside" says "$work/beside.log" "at work"
show agentctl-locks list --output=pid,command,directory
expect "$work/project" "$work/feature" "$beside"

step "Any program can ask, over D-Bus" "Once through the message bus, once through the direct socket, which needs none."
show busctl --user call org.agentctl.Locks /org/agentctl/Locks org.agentctl.Locks Check s "$work/project"
expect_status 0
expect "baa{sv} false 1" "$first"
show gdbus call --address "unix:path=$XDG_RUNTIME_DIR/agentctl-locks/bus" --dest org.agentctl.Locks \
    --object-path /org/agentctl/Locks --method org.agentctl.Locks.Check "$work/project"
expect_status 0
expect "(false, [" "$first"

step "A third one waits its turn" "First come, first served; the waiting is the service's, nobody polls."
echo "   \$ agentctl-locks run --wait -- codex &"
agentctl-locks run --wait -- codex >"$work/third.log" 2>&1 &
third=$!
started="$started $third"
await "the third in the queue" sh -c 'agentctl-locks list --json | grep -q "\"waiters\" *: *1"'
show agentctl-locks list --output=pid,command,wait,directory
expect_status 0

step "The first agent is killed: kill -9 $first" \
    "It could not clean up, and nothing had to. Whoever listens is told, and the one who waited has the directory."
gdbus monitor --session --dest org.agentctl.Locks --object-path /org/agentctl/Locks >"$work/signals.log" 2>&1 &
started="$started $!"
await "the monitor" says "$work/signals.log" "is owned by"
kill -9 "$first" || fail "kill"
wait "$first" 2>/dev/null
await "the signals" says "$work/signals.log" "LockAcquired"
await "the third agent" says "$work/third.log" "at work"
echo
sed -n 's/^.*\(Lock[AR][a-z]* (.*\)$/   \1/p' "$work/signals.log" | sed 's,^\(.\{98\}\).*,\1…,'
said=$(grep LockReleased "$work/signals.log")
expect "'exited'" "uint32 $first"
said=$(sed -n 's/^.*\(LockReleased\|LockAcquired\).*/\1/p' "$work/signals.log" | tr '\n' ' ')
[ "$said" = "LockReleased LockAcquired " ] || fail "the signals came as: $said"
show agentctl-locks list
expect "$third" "$work/project"

step "All is over when the agents are" "Released by death alone: no lock file, no clean-up, nothing to forget."
kill -9 "$third" "$beside" || fail "kill"
wait "$third" "$beside" 2>/dev/null
await "an empty list" sh -c 'agentctl-locks list --json | grep -q "^\[ *\]$"'
show agentctl-locks check "$work/project"
expect_status 0

printf '\n%sThat is it.%s README.md has a tour to type along; sh tests/run.sh runs the tests.\n' "$strong" "$plain"
