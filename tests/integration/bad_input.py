# SPDX-License-Identifier: MIT
"""What is wrong gets the error that says so, and changes nothing."""
import os

import gi

gi.require_version("GLib", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
from harness import OPTION_TYPES, both_doors, options

ACQUIRE = ("pid", "pidfd", "directory-fd", "manual", "ttl", "follow-cwd", "shared", "subtree", "conflict", "timeout",
           "ticket", "detect-agents", "agent", "session", "reason")
RELEASE = ("id", "pid", "directory-fd", "force")
LIST = ("directory", "under", "pid", "uid", "kind")
TRANSFER = ("pid", "pidfd", "follow-cwd", "force")

# A value of every type that an option could be mistaken for.
VALUES = {
    "b": GLib.Variant("b", True), "u": GLib.Variant("u", 1), "t": GLib.Variant("t", 1), "i": GLib.Variant("i", 1),
    "x": GLib.Variant("x", 1), "s": GLib.Variant("s", "1"), "d": GLib.Variant("d", 1.0), "y": GLib.Variant("y", 1),
    "as": GLib.Variant("as", ["1"]), "v": GLib.Variant("v", GLib.Variant("u", 1)), "(u)": GLib.Variant("(u)", (1,)),
    "o": GLib.Variant("o", "/"), "ay": GLib.Variant("ay", b"1"), "a{sv}": GLib.Variant("a{sv}", {}),
}


@both_doors
class Paths(harness.Case):
    def bad_paths(self):
        place = self.directory()
        file = place + "/file"
        with open(file, "w", encoding="ascii"):
            pass
        os.symlink("loop", place + "/loop")
        os.symlink("nowhere", place + "/dangling")
        os.mkfifo(place + "/fifo")
        return ["", "project", "./project", "../project", ".", "~", place + "/missing", place + "/missing/below", file,
                file + "/below", file + "/", place + "/loop", place + "/dangling", place + "/fifo",
                "/" + "x" * 5000, "/" + "x/" * 2500, "/" + "x" * 256, "/proc/self/fd/99999"]

    def test_of_acquire(self):
        paths = self.bad_paths()
        with self.nothing_changes():
            for path in paths:
                with self.subTest(path=path[:60]):
                    self.refused("InvalidDirectory", self.me.acquire, path, follow_cwd=False)
                    self.refused("InvalidDirectory", self.me.acquire, path, manual=True)
                    self.refused("InvalidDirectory", self.me.acquire, path)

    def test_of_check(self):
        with self.nothing_changes():
            for path in self.bad_paths():
                with self.subTest(path=path[:60]):
                    self.refused("InvalidDirectory", self.me.check, path)

    def test_of_occupants(self):
        with self.nothing_changes():
            for path in self.bad_paths():
                with self.subTest(path=path[:60]):
                    self.refused("InvalidDirectory", self.me.call, "Occupants", path)

    def test_of_release(self):
        with self.nothing_changes():
            for path in self.bad_paths():
                with self.subTest(path=path[:60]):
                    self.refused("InvalidDirectory", self.me.release, path)

    def test_a_long_path_is_not_repeated_in_full(self):
        error = self.refused("InvalidDirectory", self.me.acquire, "/" + "x" * 5000)
        self.assertLess(len(error.message), 2000)

    def test_a_hostile_path_is_shown_harmlessly(self):
        error = self.refused("InvalidDirectory", self.me.acquire, "/no\nsuch\x1b[31m\u202e")
        for character in ("\n", "\x1b", "\u202e"):
            self.assertNotIn(character, error.message)


@both_doors
class Options(harness.Case):
    def test_unknown_keys_are_named(self):
        place = self.directory()
        agent = self.agent(place)
        bad = {"colour": GLib.Variant("s", "red")}
        with self.nothing_changes():
            for call in (lambda: agent.call("Acquire", place, bad), lambda: agent.call("Release", place, bad),
                         lambda: agent.call("List", bad), lambda: agent.call("Transfer", 1, bad)):
                self.assertIn("colour", self.refused("InvalidOption", call).message)

    def test_known_keys_of_other_methods_are_unknown(self):
        place = self.directory()
        with self.nothing_changes():
            self.refused("InvalidOption", self.me.acquire, place, force=True)
            self.refused("InvalidOption", self.me.release, place, manual=True)
            self.refused("InvalidOption", self.me.list, ticket="x")

    def test_the_spelling_counts(self):
        place = self.directory()
        with self.nothing_changes():
            for key in ("Manual", "follow_cwd", "manual ", "", "directory_fd", "pid\n"):
                self.refused("InvalidOption", self.me.call, "Acquire", place, {key: GLib.Variant("b", True)})

    def wrong_types(self, keys, call):
        with self.nothing_changes():
            for key in keys:
                for kind, value in VALUES.items():
                    if kind == OPTION_TYPES[key]:
                        continue
                    with self.subTest(key=key, type=kind):
                        error = self.refused("InvalidOption", call, {key: value})
                        self.assertIn(key, error.message)

    def test_wrong_types_of_acquire(self):
        place = self.directory()
        self.wrong_types(ACQUIRE, lambda bad: self.me.call("Acquire", place, bad))

    def test_wrong_types_of_release(self):
        place = self.directory()
        self.me.acquire(place, manual=True)
        self.wrong_types(RELEASE, lambda bad: self.me.call("Release", place, bad))

    def test_wrong_types_of_list(self):
        self.wrong_types(LIST, lambda bad: self.me.call("List", bad))

    def test_wrong_types_of_transfer(self):
        lock = self.me.acquire(self.directory(), manual=True)
        self.wrong_types(TRANSFER, lambda bad: self.me.call("Transfer", lock, bad))

    def test_one_wrong_key_among_right_ones(self):
        place = self.directory()
        agent = self.agent(place)
        with self.nothing_changes():
            self.refused("InvalidOption", agent.call, "Acquire", place,
                         {**options(manual=True, reason="why", ttl=60), "x": GLib.Variant("b", True)})

    def test_options_that_exclude_each_other(self):
        place = self.directory()
        agent = self.agent(place)
        handle = agent.open("pidfd", agent.pid)
        with self.nothing_changes():
            for bad in (
                    {"manual": True, "pid": agent.pid}, {"manual": True, "pidfd": handle},
                    {"pid": agent.pid, "pidfd": handle}, {"ttl": 60}, {"ttl": 60, "manual": False},
                    {"manual": True, "follow_cwd": True}, {"timeout": 100}, {"timeout": 100, "conflict": "fail"}, {"timeout": 100, "conflict": "steal"},
            ):
                with self.subTest(options=bad):
                    self.refused("InvalidOption", agent.acquire, place, **bad)

    def test_values_out_of_range(self):
        place = self.directory()
        with self.nothing_changes():
            for bad in ({"conflict": "maybe"}, {"conflict": ""}, {"conflict": "Wait"}, {"pid": 0},
                        {"manual": True, "ttl": 0}):
                with self.subTest(options=bad):
                    error = self.refused("InvalidOption", self.me.acquire, place, **bad)
                    self.assertIn(list(bad)[-1], error.message)
            self.refused("InvalidOption", self.me.list, kind="mutex")
            self.refused("InvalidOption", self.me.list, directory=place, under=place)
            self.refused("InvalidOption", self.me.release, place, pid=0)

    def test_texts_too_long(self):
        place = self.directory()
        with self.nothing_changes():
            for key in ("agent", "session", "reason"):
                for text in ("x" * 1025, "é" * 513, "x" * 100000):
                    error = self.refused("InvalidOption", self.me.acquire, place, manual=True, **{key: text})
                    self.assertIn(key, error.message)
                    self.assertLess(len(error.message), 2000)

    def test_texts_just_short_enough(self):
        place = self.directory()
        texts = {"agent": "x" * 1024, "session": "é" * 512, "reason": "\n\x1b[31m" + "y" * 1018}
        lock = self.me.acquire(place, manual=True, **texts)
        listed = self.me.lock(lock)
        self.assertEqual({key: listed[key] for key in texts}, texts)

    def test_not_in_the_directory(self):
        place, elsewhere = self.directory(), self.directory("elsewhere")
        agent = self.agent(elsewhere)
        with self.nothing_changes():
            error = self.refused("NotInDirectory", agent.acquire, place)
            self.assertIn(elsewhere, error.message)
            self.refused("NotInDirectory", self.me.acquire, place, pid=agent.pid)

    def test_an_unknown_id(self):
        with self.nothing_changes():
            self.refused("NotFound", self.me.release, id=12345)
            self.refused("InvalidOption", self.me.release, id=0)
            self.refused("NotFound", self.me.release, id=0xFFFFFFFFFFFFFFFF)
            self.refused("NotFound", self.me.call, "Transfer", 12345, options(pid=os.getpid()))

    def test_an_unknown_ticket(self):
        self.assertEqual(self.me.call("Cancel", "never given"), (False,))


@both_doors
class Signatures(harness.Case):
    """Calls that are no calls of the interface."""

    def test_wrong_arguments(self):
        place = self.directory()
        wrong = {"Acquire": [GLib.Variant("(s)", (place,)), GLib.Variant("(sa{ss})", (place, {})),
                             GLib.Variant("(su)", (place, 1)), GLib.Variant("(sa{sv}s)", (place, {}, "x")), None],
                 "Release": [GLib.Variant("(s)", (place,)), None], "List": [GLib.Variant("(s)", ("x",)), None],
                 "Check": [GLib.Variant("(u)", (1,)), None], "Cancel": [GLib.Variant("(t)", (1,)), None],
                 "Transfer": [GLib.Variant("(ua{sv})", (1, {})), None]}
        with self.nothing_changes():
            for method, bodies in wrong.items():
                for body in bodies:
                    with self.subTest(method=method, body=None if body is None else body.get_type_string()):
                        self.refused("org.freedesktop.DBus.Error.InvalidArgs", self.me.raw, harness.NAME, method, body)

    def test_unknown_methods_interfaces_and_properties(self):
        with self.nothing_changes():
            self.refused("org.freedesktop.DBus.Error.UnknownMethod", self.me.raw, harness.NAME, "Lock", None)
            with self.assertRaises(harness.Refused):
                self.me.raw("org.example.Other", "Acquire", None)
            with self.assertRaises(harness.Refused):
                self.me.get("Colour")
            with self.assertRaises(harness.Refused):
                self.me.raw("org.freedesktop.DBus.Properties", "Set", GLib.Variant(
                    "(ssv)", (harness.NAME, "LockCount", GLib.Variant("u", 7))))

    def test_a_signal_of_ours_from_a_client_fools_nobody(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.me.connection.emit_signal(
            None, harness.PATH, harness.NAME, "LockReleased",
            GLib.Variant("(tsusa{sv})", (lock, place, agent.pid, "forced", {})))
        self.me.connection.flush_sync(None)
        self.me.drain()
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)


if __name__ == "__main__":
    harness.main()
