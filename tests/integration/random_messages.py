# SPDX-License-Identifier: MIT
"""Valid messages at random: every method, with options that make sense and that do not. Each is answered, with
one of the errors that are documented or without; nothing is left behind of any of them.

    AGENTCTL_LOCKS_MESSAGES        how many at a time, four times; default 1500
    AGENTCTL_LOCKS_MESSAGES_SEED   to see a failure again
"""
import collections
import os
import random

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

import harness
from harness import until

MESSAGES = int(os.environ.get("AGENTCTL_LOCKS_MESSAGES", "1500"))
SEED = int(os.environ.get("AGENTCTL_LOCKS_MESSAGES_SEED", "0")) or random.SystemRandom().getrandbits(31)
IN_FLIGHT = 24
PR_SET_THP_DISABLE = 41
ERRORS = {"Held", "TimedOut", "Cancelled", "Deadlock", "InvalidDirectory", "InvalidOption", "NoSuchProcess",
          "NotInDirectory", "NotFound", "Ambiguous", "HolderAlive", "NotPermitted", "LimitExceeded", "Unavailable"}
OTHER_ERRORS = {"org.freedesktop.DBus.Error.InvalidArgs", "org.freedesktop.DBus.Error.UnknownMethod"}
OPTIONS = {
    "Acquire": ("pid", "pidfd", "directory-fd", "manual", "ttl", "follow-cwd", "shared", "subtree", "conflict",
                "timeout", "ticket", "detect-agents", "agent", "session", "reason"),
    "Release": ("id", "pid", "directory-fd", "force"),
    "List": ("directory", "under", "pid", "uid", "kind"),
    "Transfer": ("pid", "pidfd", "follow-cwd", "force"),
}


class RandomMessages(harness.Case):
    door = "direct"
    bus = False
    arguments = ("--no-bus",)
    config = {"MaxLocksPerUser": 64, "MaxWaitersPerUser": 16}

    autostart = False

    def setUp(self):
        super().setUp()
        # What is freed goes back at once, page by page, so that what does not is seen.
        harness._libc.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
        self.service.environment.update(MALLOC_ARENA_MAX="1", MALLOC_TRIM_THRESHOLD_="0", MALLOC_TOP_PAD_="0")
        self.service.start()
        self.me = self.client()
        self.ids = [1]
        self.chance = random.Random(SEED)
        self.places = [self.directory(name) for name in ("a", "b", "a/below", "c", "ü")]
        self.processes = [self.agent(place, connect=False) for place in self.places * 2]
        self.connections = [self.client().connection for _ in range(6)]
        self.outcomes = collections.Counter()
        self.unanswered = 0
        self.wrong = []
        self.descriptors = [os.open(path, os.O_PATH) for path in (*self.places, "/dev/null", "/")]
        self.descriptors += [os.pidfd_open(agent.pid) for agent in self.processes[:3]]
        for fd in self.descriptors:
            self.addCleanup(os.close, fd)

    def text(self):
        return self.chance.choice(("", "x", "t1", "t2", "ä\n\x7f", "%s%n", "y" * 1024, "z" * 1025, "'\"\\"))

    def path(self):
        return self.chance.choice((*self.places, *self.places, "", "/", "relative", "/nonexistent", "/proc/self",
                                   "/dev/null", self.places[0] + "/../b", "/" + "x" * 5000, self.text()))

    def number(self, largest):
        return self.chance.choice((0, 1, 2, 60, 1000, largest, self.chance.randint(0, largest)))

    def value(self, key, n_fds):
        kind = harness.OPTION_TYPES[key]
        if self.chance.random() < 0.04:
            kind = self.chance.choice("ubst")  # perhaps the wrong one
        if key == "pid" and kind == "u":
            pid = self.chance.choice([agent.pid for agent in self.processes] + [0, 1, 2 ** 31, os.getpid()])
            return GLib.Variant("u", pid)
        if key == "timeout" and kind == "u":
            return GLib.Variant("u", self.chance.choice((0, 1, 20, 100)))
        if key == "conflict" and kind == "s":
            return GLib.Variant("s", self.chance.choice(("fail", "wait", "join", "steal", "perhaps")))
        if key == "kind" and kind == "s":
            return GLib.Variant("s", self.chance.choice(("process", "manual", "other")))
        if key in ("directory", "under") and kind == "s":
            return GLib.Variant("s", self.path())
        if kind == "h":
            return GLib.Variant("h", self.chance.choice((0, max(n_fds - 1, 0), n_fds, -1, 2 ** 31 - 1)))
        if kind == "t":
            return GLib.Variant("t", self.chance.choice((self.number(2 ** 64 - 1), self.some_id())))
        if kind == "u":
            return GLib.Variant("u", self.number(2 ** 32 - 1))
        if kind == "b":
            return GLib.Variant("b", self.chance.random() < 0.5)
        return GLib.Variant("s", self.text())

    def some_id(self):
        return self.chance.choice((0, self.ids[0] + 10 ** 6, *self.ids[-12:]))

    def some_options(self, method, n_fds):
        if method == "Acquire" and self.chance.random() < 0.6:
            return self.good_options()
        keys = self.chance.sample(OPTIONS[method], self.chance.choice((0, 1, 1, 2, 2, 3, len(OPTIONS[method]))))
        options = {key: self.value(key, n_fds) for key in keys}
        if "conflict" in options and options["conflict"].unpack() == "wait":
            # So that it ends.
            options.setdefault("timeout", GLib.Variant("u", 50))
        if self.chance.random() < 0.02:
            options["no-such-key"] = GLib.Variant("s", "")
        return options

    def good_options(self):
        """With which it often works."""
        options = {"manual": GLib.Variant("b", True)}
        if self.chance.random() < 0.6:
            options = {"pid": GLib.Variant("u", self.chance.choice(self.processes).pid),
                       "follow-cwd": GLib.Variant("b", self.chance.random() < 0.3)}
        for key in self.chance.sample(("shared", "subtree", "reason", "agent", "conflict"), 2):
            options[key] = self.value(key, 0)
        options["timeout"] = GLib.Variant("u", 50)
        if options.get("conflict", options["timeout"]).unpack() != "wait":
            del options["timeout"]
        return options

    def arguments_of(self, method, n_fds):
        if self.chance.random() < 0.03:
            return GLib.Variant("(as)", (["of", "another", "type"],))
        given = {"Acquire": lambda: (self.path(), self.some_options("Acquire", n_fds)),
                 "Release": lambda: (self.path(), self.some_options("Release", n_fds)),
                 "List": lambda: (self.some_options("List", n_fds),), "Check": lambda: (self.path(),),
                 "Occupants": lambda: (self.path(),), "Cancel": lambda: (self.text(),),
                 "Transfer": lambda: (self.some_id(), self.some_options("Transfer", n_fds))}[method]()
        return GLib.Variant(harness.METHOD_TYPES[method], given)

    def send(self):
        method = self.chance.choice(("Acquire",) * 4 + ("Release",) * 3 + tuple(harness.METHOD_TYPES))
        fds = Gio.UnixFDList.new()
        for fd in self.chance.choices(self.descriptors, k=self.chance.choice((0, 0, 0, 1, 2))):
            fds.append(fd)
        arguments = self.arguments_of(method, fds.get_length())

        def on_answer(connection, result):
            self.unanswered -= 1
            try:
                value, _ = connection.call_with_unix_fd_list_finish(result)
                if method == "Acquire":
                    self.ids.append(value.unpack()[0])
                self.outcomes[f"{method} ok"] += 1
            except GLib.Error as error:
                name = Gio.DBusError.get_remote_error(error)
                self.outcomes[f"{method} {name}"] += 1
                if name not in OTHER_ERRORS and (name or "").removeprefix(harness.ERROR_PREFIX) not in ERRORS:
                    self.wrong.append(f"{method}{arguments}: {error.message}")
        self.unanswered += 1
        self.chance.choice(self.connections).call_with_unix_fd_list(
            None, harness.PATH, harness.NAME, method, arguments, None, Gio.DBusCallFlags.NONE,
            int(harness.LIMIT * 1000), fds if fds.get_length() > 0 else None, None, on_answer)

    def many(self):
        for _ in range(MESSAGES):
            until(lambda: self.unanswered < IN_FLIGHT, "answers")
            self.send()
            self.assertIsNone(self.service.process.poll(), "the service died")
        until(lambda: self.unanswered == 0, "all answers")
        for lock in self.me.list():
            try:
                self.me.release(id=lock["id"], force=True)
            except harness.Refused as error:
                self.assertEqual(error.name, "NotFound", error.message)
        self.assertEqual(self.me.get("LockCount"), 0)
        until(lambda: self.me.get("WaiterCount") == 0, "the end of all waits")
        self.me.signals.clear()
        self.me.property_changes.clear()

    def used(self):
        """KiB of memory of its own, and descriptors."""
        with open(f"/proc/{self.service.process.pid}/smaps_rollup", encoding="ascii") as file:
            size = sum(int(line.split()[1]) for line in file if line.startswith(("Private_", "Swap:")))
        return size, len(os.listdir(f"/proc/{self.service.process.pid}/fd"))

    def test_random_messages(self):
        print(f"# seed {SEED}", flush=True)
        used = []
        for _ in range(4):
            self.many()
            used.append(self.used())
        self.assertEqual(self.wrong[:5], [], f"seed {SEED}")
        # It saw something of all there is.
        for method in harness.METHOD_TYPES:
            self.assertGreater(self.outcomes[f"{method} ok"], 0, self.outcomes)
        self.assertGreater(len(self.outcomes), 25, self.outcomes)
        self.assertGreater(self.outcomes["Acquire ok"], MESSAGES // 10, self.outcomes)
        print(f"# {sum(self.outcomes.values())} messages, {len(self.outcomes)} outcomes; KiB and descriptors: {used}",
              flush=True)
        until(lambda: self.used()[1] <= used[0][1] + 2, "closed descriptors")
        if "ASAN_OPTIONS" not in self.service.environment:
            # A sanitizer tells of leaks by itself, and keeps what was freed.
            # A leak grows from each round to the next; a heap that is cut up otherwise grows once.
            growth = min(after - before for (before, _), (after, _) in zip(used, used[1:]))
            self.assertLess(growth, 64 + MESSAGES // 20, f"it grows: {used}, seed {SEED}")


if __name__ == "__main__":
    harness.main()
