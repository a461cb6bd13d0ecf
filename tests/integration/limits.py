# SPDX-License-Identifier: MIT
"""One user at the limits, or sending as fast as possible, and another who wants to work beside."""
import os
import signal
import struct
import subprocess
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
import machine
from harness import both_doors, options, until

# What one user may have at once on the direct socket: one for each waiter (MaxWaitersPerUser), and some to spare
# (src/service/daemon.c).
MAX_CONNECTIONS_PER_USER = 64 + 512


@both_doors
class PerUser(machine.Case):
    config = {"MaxLocksPerUser": 3, "MaxWaitersPerUser": 2}

    def test_locks(self):
        alice, bob = self.agent("/", "alice"), self.agent("/", "bob")
        places = [self.directory(f"p{number}", "alice", 0o777) for number in range(5)]
        ids = [alice.acquire(place, manual=True) for place in places[:3]]
        with self.nothing_changes():
            error = self.refused("LimitExceeded", alice.acquire, places[3], manual=True)
            self.assertIn("3", error.message)
            self.refused("LimitExceeded", self.agent(places[3], "alice").acquire, places[3])
            self.refused("LimitExceeded", self.agent("/", "alice").acquire, places[3], shared=True, follow_cwd=False)
        bob.acquire(places[3], manual=True)
        # Asking again for what one has is no more than one has.
        self.assertEqual(self.agent(places[0], "alice").release(id=ids[0]), 1)
        alice.acquire(places[4], manual=True)

    def test_locks_that_others_take_for_one(self):
        """They count for whom they are: root may not fill them up either."""
        places = [self.directory(f"p{number}", "alice") for number in range(4)]
        workers = [self.agent(place, "alice", connect=False) for place in places]
        root = self.agent("/", "root")
        for place, worker in list(zip(places, workers))[:3]:
            root.acquire(place, pid=worker.pid)
        self.refused("LimitExceeded", root.acquire, places[3], pid=workers[3].pid)
        lock = root.acquire(places[3], manual=True)
        self.refused("LimitExceeded", root.call, "Transfer", lock, options(pid=workers[3].pid))

    def test_waiters(self):
        place = self.directory(owner="alice", mode=0o777)
        _holder, lock = self.holder(place, "alice")
        waiters = [self.agent("/", "bob") for _ in range(3)]
        for waiter in waiters[:2]:
            waiter.begin_acquire(place, manual=True, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 2, "two waiters")
        self.refused("LimitExceeded", waiters[2].acquire, place, manual=True, conflict="wait")
        carol = self.agent("/", "carol").begin_acquire(place, manual=True, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 3, "carol beside them")
        waiters[0].disconnect()
        until(lambda: self.me.get("WaiterCount") == 2, "one less")
        self.assertFalse(carol.done())
        waiters[2].begin_acquire(place, manual=True, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 3, "one more")
        self.assertIsNotNone(self.me.lock(lock))

    def test_text_sizes(self):
        agent = self.agent("/", "alice")
        place = self.directory(owner="alice")
        with self.nothing_changes():
            for key in ("agent", "session", "reason", "ticket"):
                for text in ("x" * 1025, "é" * 513, "x" * 100_000):
                    self.refused("InvalidOption", agent.acquire, place, manual=True, **{key: text})
            for path in ("/" + "x" * 4096, "/" + "x/" * 50_000):
                for method in ("Check", "Occupants"):
                    self.refused("InvalidDirectory", agent.call, method, path)
                self.refused("InvalidDirectory", agent.acquire, path)
        agent.acquire(place, manual=True, agent="x" * 1024, session="é" * 512, reason="x" * 1024, ticket="x" * 1024)


# Opens connections on the direct socket and says how many were let in; then keeps them until its input ends.
CONNECTOR = """
import os, socket, sys
kept, refused = [], 0
for _ in range(int(sys.argv[2])):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(sys.argv[1])
    try:
        sock.sendall(b"\\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\\r\\n")
        answer = sock.recv(100)
    except OSError:
        answer = b""
    if answer.startswith(b"OK"):
        sock.sendall(b"BEGIN\\r\\n")
        kept.append(sock)
    else:
        refused += 1
print(len(kept), refused, flush=True)
sys.stdin.read()
"""

# Sends the same call on several connections: COUNT of them on each, or (0) without end. On the direct socket those
# want no answers. On the bus they do, since without that it is the bus's own queue that others stand in:
# dbus-daemon keeps up to 127 MiB for each receiver, whoever sent it.
FLOODER = """
import os, select, socket, struct, sys
path, n_connections, count, method, argument, is_bus = sys.argv[1:7]

def text(value):
    data = value.encode()
    return struct.pack("<I", len(data)) + data + b"\\0"

def field(code, kind, value):
    data = bytes([code, 1]) + kind.encode() + b"\\0"
    return data + (struct.pack("B", len(value)) + value.encode() + b"\\0" if kind == "g" else text(value))

def call(serial, member, flags=0, to="org.agentctl.Locks", at="/org/agentctl/Locks", body=b"", signature=""):
    fields = b""
    for each in (field(1, "o", at), field(2, "s", to if to[0] != ":" else "org.agentctl.Locks"), field(3, "s", member),
                 field(6, "s", to)) + ((field(8, "g", signature),) if signature else ()):
        fields += b"\\0" * (-len(fields) % 8) + each
    head = struct.pack("<cBBBIII", b"l", 1, flags, 1, len(body), serial, len(fields)) + fields
    return head + b"\\0" * (-len(head) % 8) + body

socks = []
for _ in range(int(n_connections)):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.sendall(b"\\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\\r\\n")
    while not sock.recv(1000).endswith(b"\\r\\n"):
        pass
    sock.sendall(b"BEGIN\\r\\n")
    if is_bus == "bus":
        sock.sendall(call(1, "Hello", to="org.freedesktop.DBus", at="/org/freedesktop/DBus"))
        sock.recv(1000)
    socks.append(sock)
print("ready", flush=True)
sys.stdin.readline()
body = text(argument)
if count == "0":
    flags = 0 if is_bus == "bus" else 1
    blast = b"".join(call(serial, method, flags, body=body, signature="s") for serial in range(2, 202))
    for sock in socks:
        sock.setblocking(False)
    print("sent", flush=True)
    left = {sock: blast for sock in socks}
    while True:
        readable, writable, _ = select.select(socks, socks, [])
        for sock in readable:
            sock.recv(1 << 20)
        for sock in writable:
            try:
                left[sock] = left[sock][sock.send(left[sock]):] or blast
            except BlockingIOError:
                pass
n = int(count)
for sock in socks:
    sock.sendall(b"".join(call(serial, method, body=body, signature="s") for serial in range(2, 2 + n)))
print("sent", flush=True)
# Counts replies as they come, and says how many when asked.
pending = {sock: b"" for sock in socks}
answered = 0
while True:
    readable, _, _ = select.select(list(socks) + [sys.stdin], [], [])
    for sock in readable:
        if sock is sys.stdin:
            if not sys.stdin.readline():
                sys.exit(0)
            print(answered, flush=True)
            continue
        data = pending[sock] + sock.recv(1 << 20)
        while len(data) >= 16:
            body_bytes, _, fields_bytes = struct.unpack("<III", data[4:16])
            total = 16 + fields_bytes + -(16 + fields_bytes) % 8 + body_bytes
            if len(data) < total:
                break
            answered += data[1] in (2, 3)
            data = data[total:]
        pending[sock] = data
"""


class Helper:
    """A script that runs as somebody and speaks in lines."""

    def __init__(self, case, who, script, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=case.service.environment, encoding="ascii", user=machine.uid_of(who), group=machine.gid_of(who),
            extra_groups=[], preexec_fn=harness._die_with_parent)
        case.addCleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def say(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        if line == "":
            raise AssertionError(f"the helper ended with {self.process.wait()}")
        return line.strip()


def memory_of(service):
    """Resident, in KiB; 0 where a sanitizer keeps what was freed."""
    if "ASAN_OPTIONS" in service.environment:
        return 0
    with open(f"/proc/{service.process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Connections(machine.Case):
    door = "direct"

    def test_one_user_leaves_room_for_others(self):
        helper = Helper(self, "bob", CONNECTOR, self.service.socket, MAX_CONNECTIONS_PER_USER + 20)
        self.assertEqual(helper.line(), f"{MAX_CONNECTIONS_PER_USER} 20")
        place = self.directory(owner="alice")
        self.holder(place, "alice")
        self.client().list()
        helper.end()
        # They are his again when he has hung up.
        until(lambda: Helper(self, "bob", CONNECTOR, self.service.socket, 1).line() == "1 0", "room for bob")

    def test_the_log_is_not_filled(self):
        helper = Helper(self, "bob", CONNECTOR, self.service.socket, MAX_CONNECTIONS_PER_USER + 400)
        self.assertEqual(helper.line(), f"{MAX_CONNECTIONS_PER_USER} 400")
        self.assertLess(self.service.log().count("refused"), 100)

    def test_a_message_that_is_too_long(self):
        with harness.stream(self.service.socket) as wire:
            wire.enter()
            wire.send(struct.pack("<cBBBIII", b"l", 1, 0, 1, 64 << 20, 1, 16))
            wire.closed()
        self.me.list()

    def test_more_descriptors_than_any_call_takes(self):
        agent = self.agent("/", "bob")
        with self.nothing_changes():
            for _ in range(20):
                agent.open("directory", "/")
            try:
                agent.call("Check", "/")
            except harness.Refused:
                pass
        self.me.list()


@both_doors
class Flood(machine.Case):
    def address(self):
        return self.service.address(self.door).partition("=")[2]

    def test_as_fast_as_can_be(self):
        """bob sends without end; alice works, and the service does not grow."""
        place = self.directory(owner="alice")
        alice = self.agent(place, "alice")
        helper = Helper(self, "bob", FLOODER, self.address(), 8, 0, "Check", "/", self.door)
        self.assertEqual(helper.line(), "ready")
        helper.say()
        self.assertEqual(helper.line(), "sent")
        for _ in range(100):
            lock = alice.acquire(place)
            self.assertEqual(alice.release(id=lock), 1)
        self.assertLess(memory_of(self.service), 300_000)
        helper.end()
        self.me.list()


@both_doors
class Order(machine.Case):
    """In which order calls of different users are served: ids tell, since each lock's is larger than the last."""

    config = {"MaxLocksPerUser": 100_000}

    def enter_as(self, who):
        """A connection of somebody's, in our hands, byte by byte."""
        os.setegid(machine.gid_of(who))
        os.seteuid(machine.uid_of(who))
        try:
            wire = harness.Wire(self.service.address(self.door).partition("=")[2])
        finally:
            os.seteuid(0)
            os.setegid(0)
        self.addCleanup(wire.socket.close)
        wire.send(b"\0AUTH EXTERNAL " + str(machine.uid_of(who)).encode().hex().encode() + b"\r\n")
        self.assertTrue(wire.line().startswith(b"OK "))
        wire.send(b"BEGIN\r\n")
        if self.door == "bus":
            self.ask_bus(wire, "Hello", 1)
        return wire

    @staticmethod
    def blob(destination, path, interface, member, serial, body=None):
        message = harness.Gio.DBusMessage.new_method_call(destination, path, interface, member)
        message.set_serial(serial)
        if body is not None:
            message.set_body(body)
        return bytes(message.to_blob(harness.Gio.DBusCapabilityFlags.NONE))

    def ask_bus(self, wire, member, serial):
        """Its answer means that it has taken everything before."""
        bus = "org.freedesktop.DBus"
        wire.send(self.blob(bus, "/org/freedesktop/DBus", bus, member, serial))
        if wire.socket.recv(65536) == b"":
            self.fail("the bus hung up")

    def acquire(self, wire, place, first, count):
        body = GLib.Variant("(sa{sv})", (place, options(manual=True, shared=True)))
        wire.send(b"".join(self.blob(harness.NAME, harness.PATH, harness.NAME, "Acquire", serial, body)
                           for serial in range(first, first + count)))
        if self.door == "bus":
            self.ask_bus(wire, "GetId", first + count)

    def test_nobody_stands_behind_all_of_one_users_calls(self):
        place = self.directory(owner="bob", mode=0o777)
        # On the bus a connection has at most 128 under way (dbus-daemon's max_replies_per_connection).
        bobs = [self.enter_as("bob") for _ in range(6)]
        alices = self.enter_as("alice")
        harness.hold(self.service.process)
        for wire in bobs:
            self.acquire(wire, place, 2, 100)
        self.acquire(alices, place, 2, 1)
        os.kill(self.service.process.pid, signal.SIGCONT)
        count = 0
        while count < 601:  # each is written to the disk, and takes its time
            until(lambda: self.me.get("LockCount") > count, f"more than {count} locks")
            count = self.me.get("LockCount")
        self.assertEqual(count, 601)
        ids = {who: [lock["id"] for lock in self.me.list(uid=machine.uid_of(who))] for who in ("alice", "bob")}
        self.assertLess(ids["alice"][0], max(ids["bob"]), "alice came last of all, and was served last of all")


class Together(machine.Case):
    """What all connections of a user, or all senders on the bus, may have unanswered together."""

    config = {"MaxWaitersPerUser": 100_000}

    def test_on_the_direct_socket(self):
        self.door = "direct"
        place = self.directory(owner="bob", mode=0o777)
        self.client("direct").acquire(place, manual=True)
        bobs = [self.agent("/", "bob", door="direct") for _ in range(9)]
        for agent in bobs:
            for _ in range(200):
                agent.begin_acquire(place, manual=True, shared=True, conflict="wait")
        # Eight take turns to fill it; a connection with a few goes on, and so does another user.
        until(lambda: self.me.get("WaiterCount") >= 1024, "the waiters")
        self.agent("/", "bob", door="direct").call("List", {})
        alice = self.agent(place, "alice", door="direct")
        alice.call("List", {})
        self.assertLess(self.me.get("WaiterCount"), 1024 + 64)
        for agent in bobs:
            agent.die()
        until(lambda: self.me.get("WaiterCount") == 0, "their end")

    def test_on_the_bus(self):
        self.door = "bus"
        place = self.directory(owner="bob", mode=0o777)
        self.me.acquire(place, manual=True)
        bobs = [self.agent("/", "bob") for _ in range(11)]
        for agent in bobs[:10]:
            pending = [agent.begin_acquire(place, manual=True, shared=True, conflict="wait") for _ in range(102)]
        until(lambda: self.me.get("WaiterCount") >= 1016, "the waiters")
        self.assertFalse(pending[0].done())
        more = [bobs[10].begin_acquire(place, manual=True, shared=True, conflict="wait") for _ in range(100)]
        until(lambda: sum(each.done() for each in more) >= 100 - 16, "the refusals")
        refused = [each for each in more if each.done()]
        for each in refused:
            self.refused("org.freedesktop.DBus.Error.LimitsExceeded", each.value)
        self.agent(place, "alice").call("List", {})


class Unwanted(machine.Case):
    """Calls that want no reply: they are done like others, and none comes."""

    def test_it_is_done(self):
        place = self.directory(owner="alice")
        alice = self.agent(place, "alice")
        for _ in range(300):  # more than may be unanswered
            alice.begin_acquire(place).value()
            message = harness.Gio.DBusMessage.new_method_call(harness.NAME, harness.PATH, harness.NAME, "Release")
            message.set_body(GLib.Variant("(sa{sv})", (place, options(force=True))))
            message.set_flags(harness.Gio.DBusMessageFlags.NO_REPLY_EXPECTED)
            self.me.connection.send_message(message, harness.Gio.DBusSendMessageFlags.NONE)
            until(lambda: self.me.list() == [], "the release")


class NoReader(machine.Case):
    door = "direct"

    def test_who_does_not_read_is_cut_off(self):
        place = self.directory(owner="alice")
        alice = self.agent(place, "alice")
        reader = Helper(self, "bob", CONNECTOR, self.service.socket, 1)
        self.assertEqual(reader.line(), "1 0")
        before = memory_of(self.service)

        def cut_off():
            calls = [pending for _ in range(250)
                     for pending in (alice.begin_acquire(place, manual=True),
                                     alice.begin_call("Release", place, options()))]
            for pending in calls:
                pending.result()
            return "cut off" in self.service.log()
        # So many calls, however long they take, are enough.
        self.assertTrue(any(cut_off() for _ in range(200)), "bob was never cut off")
        self.assertLess(memory_of(self.service), before + 200_000)
        self.assertIn(f"User {machine.uid_of('bob')}", self.service.log())
        alice.acquire(place)


if __name__ == "__main__":
    harness.main()
