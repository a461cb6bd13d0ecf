# SPDX-License-Identifier: MIT
"""The direct socket against those who do not speak D-Bus, or speak it badly; and as a bus of one."""
import contextlib
import itertools
import os
import random
import signal
import socket
import struct
import subprocess
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

import harness


def call_message(method, body=None):
    message = Gio.DBusMessage.new_method_call(None, harness.PATH, harness.NAME, method)
    message.set_serial(1)
    if body is not None:
        message.set_body(body)
    blob = message.to_blob(Gio.DBusCapabilityFlags.UNIX_FD_PASSING)
    return bytes(blob)


PATH, INTERFACE, MEMBER, DESTINATION, SENDER, SIGNATURE = 1, 2, 3, 6, 7, 8
TYPES = {PATH: "o", INTERFACE: "s", MEMBER: "s", 4: "s", 5: "u", DESTINATION: "s", SENDER: "s", SIGNATURE: "g", 9: "u"}


def padded(data, to):
    return data + b"\0" * (-len(data) % to)


def header_message(fields, kind=1, flags=0):
    """A call of List, or what is like one, with any header fields: (code, type, value)."""
    data = b""
    for code, kind_of_value, value in fields:
        data = padded(data, 8) + bytes([code, 1]) + kind_of_value.encode() + b"\0"
        if kind_of_value == "u":
            data = padded(data, 4) + struct.pack("<I", value)
        elif kind_of_value == "g":
            data += bytes([len(value)]) + value.encode() + b"\0"
        else:
            data = padded(data, 4) + struct.pack("<I", len(value)) + value.encode() + b"\0"
    body = bytes(8) if any(code == SIGNATURE for code, _, _ in fields) else b""
    start = bytes([ord("l"), kind, flags, 1]) + struct.pack("<III", len(body), 1, len(data))
    return padded(start + data, 8) + body


def bus_message(member, serial, body=None):
    message = Gio.DBusMessage.new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                              member)
    message.set_serial(serial)
    if body is not None:
        message.set_body(body)
    return bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE))


def messages(wire):
    data = b""
    while True:
        while len(data) < 16 or len(data) < Gio.DBusMessage.bytes_needed(data):
            data += wire.socket.recv(65536)
        length = Gio.DBusMessage.bytes_needed(data)
        yield Gio.DBusMessage.new_from_blob(data[:length], Gio.DBusCapabilityFlags.NONE)
        data = data[length:]


class Malformed(harness.Case):
    door = "direct"
    bus = False
    arguments = ("--no-bus",)

    def setUp(self):
        super().setUp()
        self.place = self.directory()
        self.agent_there, self.lock = self.holder(self.place)
        self.bystander = self.client()

    def unharmed(self):
        """The daemon lives, what was held is held, others are served."""
        self.assertIsNone(self.service.process.poll())
        self.assertEqual([lock["id"] for lock in self.bystander.list()], [self.lock])
        agent, other = self.holder(self.directory("another"))
        self.me.wait_signal("LockAcquired", other)
        agent.die()
        self.me.wait_released(other, "exited")

    def hung_up_on(self, *pieces, enter=True):
        with harness.stream(self.service.socket) as wire:
            if enter:
                wire.enter()
            for piece in pieces:
                try:
                    wire.send(piece)
                except (BrokenPipeError, ConnectionResetError):
                    break
            self.assertTrue(wire.closed())

    def test_no_handshake(self):
        self.hung_up_on(b"GET / HTTP/1.0\r\n\r\n", enter=False)
        self.unharmed()

    def test_a_handshake_with_no_end(self):
        self.hung_up_on(b"\0AUTH " + b"x" * (1 << 20), enter=False)
        self.unharmed()

    def test_binary_in_the_handshake(self):
        self.hung_up_on(b"\0" + bytes(range(256)) * 64 + b"\r\n" * 20, enter=False)
        self.unharmed()

    def test_silence(self):
        """A client that connects and says nothing, and one that stops in the middle, keep nobody waiting."""
        with harness.stream(self.service.socket), harness.stream(self.service.socket) as half:
            half.send(b"\0AUTH EXT")
            with harness.stream(self.service.socket) as late:
                late.enter()
                late.send(call_message("List")[:10])
                self.unharmed()

    def test_random_bytes(self):
        seed = random.SystemRandom().getrandbits(32)
        chance = random.Random(seed)
        for _ in range(50):
            with harness.stream(self.service.socket) as wire:
                wire.enter()
                try:
                    wire.send(chance.randbytes(chance.randrange(16, 4096)))
                except (BrokenPipeError, ConnectionResetError):
                    pass
        try:
            self.unharmed()
        except AssertionError as error:
            raise AssertionError(f"with seed {seed}: {error}") from error

    def test_headers_that_are_not_what_they_should_be(self):
        path, ours, member = (PATH, "o", harness.PATH), (INTERFACE, "s", harness.NAME), (MEMBER, "s", "List")
        bus, body = (DESTINATION, "s", "org.freedesktop.DBus"), (SIGNATURE, "g", "a{sv}")
        for fields in ([path, (MEMBER, "u", 5), body], [path, ours, (MEMBER, "u", 5), body], [path, ours, (MEMBER, "u", 5)],
                       [path, (MEMBER, "u", 5), bus, body], [(PATH, "u", 5), member, body],
                       [(PATH, "u", 5), ours, member, body], [path, ours, member, (SENDER, "s", "x"), body],
                       [path, member, (SENDER, "s", "x"), body]):
            with self.subTest(fields=fields):
                self.hung_up_on(header_message(fields))
                self.assertIsNone(self.service.process.poll())
        # Of no meaning, wherever among the others a table of them puts it.
        for code in (0, 10, 255):
            for fields in ([path, (code, "s", "x"), member, body], [(code, "s", "x"), path, member, body],
                           [path, ours, (code, "s", "x"), member, body]):
                with self.subTest(fields=fields), harness.stream(self.service.socket) as wire:
                    wire.enter()
                    wire.send(header_message(fields))
                    wire.hang_up()
                    self.assertIsNone(self.service.process.poll())
        self.unharmed()

    def test_random_headers(self):
        seed = random.SystemRandom().getrandbits(32)
        chance = random.Random(seed)
        values = {"o": [harness.PATH, "/", "/org/freedesktop/DBus"], "g": ["a{sv}", "s", ""], "u": [0, 1, 5],
                  "s": ["x", "", ":1.1", harness.NAME, "org.freedesktop.DBus", "List", "Ping", "Get", "Introspect", "Hello"]}
        for _ in range(150):
            with harness.stream(self.service.socket) as wire:
                wire.enter()
                for _ in range(4):
                    fields = []
                    for code in chance.sample([*TYPES, 0, 10, 255], chance.randint(2, 7)):
                        kind = TYPES.get(code, "s") if chance.random() < 0.7 else chance.choice("osgu")
                        fields.append((code, kind, chance.choice(values[kind])))
                    for code in (PATH, MEMBER):
                        if chance.random() < 0.8 and not any(field[0] == code for field in fields):
                            fields.append((code, TYPES[code], chance.choice(values[TYPES[code]])))
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        wire.send(header_message(fields, chance.choice([1, 1, 1, 2, 3, 4, 5]), chance.choice([0, 0, 1])))
                wire.hang_up()
        try:
            self.unharmed()
        except AssertionError as error:
            raise AssertionError(f"with seed {seed}: {error}") from error

    def test_a_wrong_byte_order(self):
        self.hung_up_on(b"x" + call_message("List")[1:])
        self.unharmed()

    def test_a_length_beyond_the_limit(self):
        blob = call_message("List")
        for length in (0x08000001, 0x7FFFFFFF, 0xFFFFFFFF):
            self.hung_up_on(blob[:4] + struct.pack("<I", length) + blob[8:])
            self.hung_up_on(blob[:12] + struct.pack("<I", length) + blob[16:])
        self.unharmed()

    def test_bits_flipped_in_a_valid_message(self):
        """Every byte of a real call, each bit of it wrong once. Whatever it means then, nobody is harmed."""
        body = GLib.Variant("(sa{sv})", (self.place, harness.options(reason="x", ttl=60, manual=True)))
        blob = call_message("Acquire", body)
        for position in range(len(blob)):
            for bit in (0, 4, 7):
                broken = bytearray(blob)
                broken[position] ^= 1 << bit
                with harness.stream(self.service.socket) as wire:
                    wire.enter()
                    wire.send(bytes(broken))
                    wire.hang_up()
        self.assertIsNone(self.service.process.poll())
        # A flip may have made another valid call (another text, another time); none may touch what is held.
        self.assertEqual(self.bystander.lock(self.lock)["pid"], self.agent_there.pid)

    def test_cut_off_in_the_middle(self):
        blob = call_message("Acquire", GLib.Variant("(sa{sv})", (self.place, {})))
        for end in range(1, len(blob), 3):
            with harness.stream(self.service.socket) as wire:
                wire.enter()
                wire.send(blob[:end])
        self.unharmed()

    def test_hanging_up_without_reading_the_answer(self):
        for _ in range(50):
            with harness.stream(self.service.socket) as wire:
                wire.enter()
                wire.send(call_message("List", GLib.Variant("(a{sv})", ({},))))
        self.unharmed()

    def test_messages_that_are_no_calls(self):
        """Replies to nothing, errors to nothing, signals: no answer, no harm."""
        client = self.client()
        for kind in (Gio.DBusMessageType.METHOD_RETURN, Gio.DBusMessageType.ERROR):
            message = Gio.DBusMessage()
            message.set_message_type(kind)
            message.set_reply_serial(4711)
            if kind == Gio.DBusMessageType.ERROR:
                message.set_error_name("org.example.Error")
            client.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)
        client.connection.emit_signal(None, "/", "org.example.Signal", "Boo", None)
        client.connection.flush_sync(None)
        self.assertEqual(client.get("LockCount"), 1)
        self.unharmed()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.service.process.pid}/fd"))

    def test_descriptors_that_nobody_asked_for(self):
        client = self.client()
        with open("/dev/null", "rb") as file:
            client.call("List", {}, fds=[file.fileno()] * 2)
            before = self.descriptors()
            for _ in range(4):
                # Fewer than may wait to be closed (src/service/descriptor-sink.h).
                for _ in range(50):
                    client.call("List", {}, fds=[file.fileno()] * 2)
                harness.until(lambda: self.descriptors() <= before + 2, "closed descriptors")
        self.unharmed()

    def test_more_descriptors_than_any_call_needs(self):
        """Whoever sends them by the dozen is cut off, and none of them stays."""
        before = self.descriptors()
        with open("/dev/null", "rb") as file:
            for _ in range(20):
                client = self.client()
                with self.assertRaises(GLib.Error):
                    client.call("List", {}, fds=[file.fileno()] * 200)
                harness.until(lambda: self.descriptors() <= before + 2, "closed descriptors")
        self.unharmed()

    def test_connections_leave_nothing_behind(self):
        for _ in range(20):
            self.client().close()
        before = self.descriptors()
        for _ in range(200):
            client = harness.Client(self.service.address("direct"), "direct")
            client.close()
        harness.until(lambda: self.descriptors() <= before, "the same number of descriptors as before")
        self.unharmed()


class BusOfOne(harness.Case):
    """Bus clients on the direct socket, unchanged."""

    door = "direct-bus"
    bus = False
    arguments = ("--no-bus",)

    def bus_call(self, method, args=None):
        return self.me.connection.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method, args, None,
            Gio.DBusCallFlags.NONE, -1, None).unpack()

    def test_the_opening_calls(self):
        self.assertTrue(self.me.connection.get_unique_name().startswith(":"))
        self.assertEqual(self.bus_call("NameHasOwner", GLib.Variant("(s)", (harness.NAME,))), (True,))
        owner = self.bus_call("GetNameOwner", GLib.Variant("(s)", (harness.NAME,)))[0]
        self.assertTrue(owner.startswith(":"))
        self.assertIn(harness.NAME, self.bus_call("ListNames")[0])
        self.assertEqual(len(self.bus_call("GetId")[0]), 32)
        credentials = self.bus_call("GetConnectionCredentials", GLib.Variant("(s)", (harness.NAME,)))[0]
        self.assertEqual(credentials["ProcessID"], self.service.process.pid)

    def test_signals_reach_those_who_asked(self):
        agent, lock = self.holder(self.directory())
        self.me.wait_signal("LockAcquired", lock)
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_the_same_table_behind_it(self):
        agent = self.agent(self.directory("one"), door="direct")
        lock = agent.acquire(self.directory("one"))
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        other = self.agent(self.directory("one"))
        self.refused("Held", other.acquire, self.directory("one"))

    def test_busctl(self):
        """busctl as pasted: a call, a property, and what it lists."""
        address = f"--address={self.service.address('direct')}"

        def busctl(*arguments):
            return subprocess.run(["busctl", address, *arguments], env=self.service.environment, check=True,
                                  stdout=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT).stdout
        out = busctl("call", harness.NAME, harness.PATH, harness.NAME, "List", "a{sv}", "0")
        self.assertEqual(out.strip(), "aa{sv} 0")
        self.assertEqual(busctl("get-property", harness.NAME, harness.PATH, harness.NAME, "Scope").strip(), 's "user"')
        self.assertIn(".Acquire", busctl("introspect", harness.NAME, harness.PATH))

    def test_gdbus(self):
        out = subprocess.run(
            ["gdbus", "call", "--address", self.service.address("direct"), "--dest", harness.NAME, "--object-path",
             harness.PATH, "--method", harness.NAME + ".List", "{}"], env=self.service.environment, check=True,
            stdout=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT).stdout
        self.assertEqual(out.strip(), "(@aa{sv} [],)")


SIGNALS = ("LockAcquired", "LockReleased")


class Listening(harness.Case):
    """Who connects and listens hears all that comes after he was let in, which is a moment after he connected: whether
    he ever says a word or not, and in order."""

    door = "direct"

    def setUp(self):
        super().setUp()
        self.place = self.directory()
        self.holding = self.agent(self.place)
        self.told = []

    def come_and_go(self, times):
        for _ in range(times):
            lock = self.holding.acquire(self.place)
            self.holding.release(id=lock)
            self.told += [("LockAcquired", lock), ("LockReleased", lock)]

    def hears_all(self, happen):
        """Whether he was let in before anything happened."""
        self.told.clear()
        heard = []
        connection = Gio.DBusConnection.new_for_address_sync(
            self.service.address("direct"), Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
        for signal in SIGNALS:
            connection.signal_subscribe(None, harness.NAME, signal, None, None, 0,
                                        lambda *args: heard.append((args[4], args[5].unpack()[0])))
        happen(connection)
        harness.until(lambda: heard[-1:] == self.told[-1:], lambda: f"{self.told[-1]}; heard {heard}")
        connection.close()
        self.assertEqual(heard, self.told[-len(heard):])
        return len(heard) == len(self.told)

    def assert_hears_all(self, happen):
        self.assertTrue(any(self.hears_all(happen) for _ in range(20)))

    def test_who_never_says_a_word(self):
        self.assert_hears_all(lambda _: self.come_and_go(20))

    def test_who_speaks_in_the_midst(self):
        answers = []

        def happen(connection):
            self.come_and_go(5)
            connection.call(None, harness.PATH, harness.NAME, "List", GLib.Variant("(a{sv})", ({},)), None,
                            Gio.DBusCallFlags.NONE, -1, None, lambda source, result: answers.append(result))
            self.come_and_go(20)
            harness.until(lambda: answers, "the answer")
        self.assert_hears_all(happen)

    def test_more_at_once_than_is_held_back(self):
        def happen(_):
            locks = [self.me.acquire(self.directory(f"p{n}"), pid=self.holding.pid, follow_cwd=False)
                     for n in range(300)]
            for lock in locks:
                self.me.connection.call(None, harness.PATH, harness.NAME, "Release",
                                        GLib.Variant("(sa{sv})", ("", harness.options(id=lock))), None,
                                        Gio.DBusCallFlags.NONE, -1, None, None)
            self.told += [("LockAcquired", lock) for lock in locks] + [("LockReleased", lock) for lock in locks]
        self.assert_hears_all(happen)

    def test_a_bus_client_has_missed_what_was_before_its_hello(self):
        self.assertTrue(any(self.hello_after_a_signal() for _ in range(20)), "it was never soon")

    def hello_after_a_signal(self):
        """FALSE: it took so long that it was taken for one who only listens."""
        self.told.clear()
        with harness.stream(self.service.socket) as wire:
            begun = time.monotonic()
            wire.enter()
            self.come_and_go(1)
            wire.send(bus_message("Hello", 1))
            if time.monotonic() - begun > 0.2:
                return False
            self.assertEqual(next(came := messages(wire)).get_reply_serial(), 1)
            wire.send(bus_message("AddMatch", 2, GLib.Variant("(s)", ("type='signal'",))))
            while next(came).get_reply_serial() != 2:
                pass
            lock = self.holding.acquire(self.place)
            self.holding.release(id=lock)
            told = list(itertools.islice((message for message in came if message.get_member() in SIGNALS), 2))
            self.assertEqual([(message.get_member(), message.get_body().unpack()[0]) for message in told],
                             [("LockAcquired", lock), ("LockReleased", lock)])
            return True


class Lingering(harness.Case):
    """To close the last descriptor of a TCP socket with SO_LINGER is to wait for its peer. Handed over on the direct
    socket the last one may be the service's, whether it ever took it or not."""

    door = "direct"

    def lingering(self):
        """A socket whose peer reads nothing; to be handed over and closed here."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
        self.addCleanup(far.close)
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                near.send(b"x" * 65536)
        near.setblocking(True)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
        return near

    def hand_over(self, wire, data, count=1):
        sockets = [self.lingering() for _ in range(count)]
        # Closed here while they are on their way, so that theirs is the last.
        harness.hold(self.service.process)
        try:
            socket.send_fds(wire.socket, [data], [each.fileno() for each in sockets])
        except OSError:
            for each in sockets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise
        finally:
            for each in sockets:
                each.close()
            self.service.process.send_signal(signal.SIGCONT)

    def others_are_served(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.refused("Held", self.agent(place).acquire, place)
        agent.die()
        self.me.wait_released(lock, "exited")

    def test_before_one_is_let_in(self):
        with harness.stream(self.service.socket) as wire:
            # Not even sent, since Linux 6.16.
            with contextlib.suppress(PermissionError):
                self.hand_over(wire, b"\0")
                wire.closed()
            self.others_are_served()

    def test_with_a_message(self):
        with harness.stream(self.service.socket) as wire:
            wire.enter()
            self.hand_over(wire, b"l")
            self.others_are_served()
        self.others_are_served()

    def test_with_more_than_a_message_may_have(self):
        with harness.stream(self.service.socket) as wire:
            wire.enter()
            self.hand_over(wire, b"l", 6)
            wire.closed()
            self.others_are_served()

    def test_unread(self):
        """Behind what ends the connection."""
        with harness.stream(self.service.socket) as wire:
            wire.enter()
            self.hand_over(wire, b"x" * 16)
            with contextlib.suppress(OSError):
                self.hand_over(wire, b"l")
            wire.closed()
            self.others_are_served()


if __name__ == "__main__":
    harness.main()
