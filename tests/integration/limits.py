# SPDX-License-Identifier: MIT
"""One user at the limits, or sending as fast as possible, and another who wants to work beside."""
import json
import os
import socket
import struct
import subprocess
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
import machine
from harness import both_doors, options, until

# What one user may have at once on the direct socket (src/service/daemon.c).
MAX_CONNECTIONS_PER_USER = 512


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

# Sends the same call on several connections: COUNT of them on each, or (0) without end and wanting no answers.
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
    blast = b"".join(call(serial, method, flags=1, body=body, signature="s") for serial in range(2, 202))
    for sock in socks:
        sock.setblocking(False)
    print("sent", flush=True)
    while True:
        _, ready, _ = select.select([], socks, [])
        for sock in ready:
            try:
                sock.send(blast)  # cut anywhere: then the next one begins in the midst, so send what is left
            except BlockingIOError:
                pass
            except OSError:
                sys.exit(0)
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

    def memory(self):
        with open(f"/proc/{self.service.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def test_who_comes_later_is_not_served_after_all_that_came_before(self):
        """bob has thousands of expensive calls under way when alice comes: she overtakes them."""
        place = self.directory(owner="alice")
        # On the bus a connection has at most 128 of them (dbus-daemon's max_replies_per_connection).
        connections, each = (16, 250) if self.door == "direct" else (32, 125)
        alice = self.agent(place, "alice")
        helper = Helper(self, "bob", FLOODER, self.address(), connections, each, "Occupants", "/", self.door)
        self.assertEqual(helper.line(), "ready")
        helper.say()
        self.assertEqual(helper.line(), "sent")
        lock = alice.acquire(place)
        self.assertEqual(alice.release(id=lock), 1)
        helper.say()
        answered = int(helper.line())
        self.assertLess(answered, connections * each, "alice stood behind all of bob's calls")
        until(lambda: (helper.say(), int(helper.line()))[1] == connections * each, "bob's answers, in the end")

    def test_as_fast_as_can_be(self):
        """bob sends without end and wants no answers; alice works, and the service does not grow."""
        place = self.directory(owner="alice")
        alice = self.agent(place, "alice")
        helper = Helper(self, "bob", FLOODER, self.address(), 8, 0, "Check", "/", self.door)
        self.assertEqual(helper.line(), "ready")
        helper.say()
        self.assertEqual(helper.line(), "sent")
        for _ in range(100):
            lock = alice.acquire(place)
            self.assertEqual(alice.release(id=lock), 1)
        self.assertLess(self.memory(), 300_000)
        helper.end()
        self.me.list()


class NoReader(machine.Case):
    door = "direct"

    def test_who_does_not_read_is_cut_off(self):
        place = self.directory(owner="alice")
        alice = self.agent(place, "alice")
        reader = Helper(self, "bob", CONNECTOR, self.service.socket, 1)
        self.assertEqual(reader.line(), "1 0")
        before = Flood.memory(self)

        def cut_off():
            calls = [pending for _ in range(250)
                     for pending in (alice.begin_acquire(place, manual=True),
                                     alice.begin_call("Release", place, options()))]
            for pending in calls:
                pending.result()
            return "cut off" in self.service.log()
        until(cut_off, "bob to be cut off", limit=4 * harness.LIMIT)
        self.assertLess(Flood.memory(self), before + 100_000)
        self.assertIn(f"User {machine.uid_of('bob')}", self.service.log())
        alice.acquire(place)


if __name__ == "__main__":
    harness.main()
