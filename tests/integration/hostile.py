# SPDX-License-Identifier: MIT
"""Text that wants to be more than text: in paths, names of programs, free texts and options. Nothing of it may reach
a log, a message, a terminal or a state file as it came; and what is listed afterwards must still be what was given.
"""
import json
import os
import re
import shutil
import subprocess

import gi

gi.require_version("Gio", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
import machine
from harness import both_doors, options, until

TEXTS = {
    "newline": b"line\nanother: root may do anything",
    "carriage return": b"shown\rhidden",
    "tab": b"a\tb",
    "colour": b"\x1b[31mred\x1b[0m",
    "title": b"\x1b]0;title\x07",
    "erase": b"\x1b[2J\x1b[1;1H",
    "eight-bit control": "\u009b31mred".encode(),
    "backspace": b"root\b\b\b\bevil",
    "delete": b"a\x7fb",
    "bidi override": "abc\u202etxt.exe".encode(),
    "bidi isolate": "abc\u2066def\u2069".encode(),
    "zero width": "a\u200bb\u200d\ufeff".encode(),
    "line separator": "one\u2028two\u2029three".encode(),
    "tags": "flag\U000e0041\U000e007f".encode(),
    "private use": "\ue000\U000f0000".encode(),
    "no utf-8": b"\xff\xfe\x80caf\xe9",
    "overlong": b"\xc0\xaf\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "backslash": b"a\\nb\\x1b",
    "quotes": b"\"quoted\" 'and' `so`",
    "format": b"%s%s%n%d%c%99999999d",
    "shell": b"$(reboot);`reboot`|reboot&",
    "markup": b"<b>&amp;<i>",
    "json": b"\",\"uid\":0,\"x\":\"",
    "option": b"--help",
    "spaces": b"  lead and trail  ",
    "dots": b"...",
    "combining": ("a" + "\u0301" * 100).encode(),
    "wide": "\u8a9e\U0001f600".encode(),
    "long": b"x" * 255,
}
BAD = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
                 r"\U000e0000-\U000e007f\ue000-\uf8ff\U000f0000-\U0010ffff]")


def is_text(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


@both_doors
class Hostile(machine.Case):
    def setUp(self):
        self.autostart = False
        super().setUp()
        self.service.environment["G_MESSAGES_DEBUG"] = "all"
        self.service.start()
        self.me = self.client()

    def clean(self, text, what):
        found = BAD.search(text)
        self.assertIsNone(found, f"{what}: {found and ascii(text[max(0, found.start() - 40):found.end() + 40])}")

    def tearDown(self):
        log = self.service.log()
        super().tearDown()
        self.clean(log, "the log")
        # What somebody puts into a text begins no line of the log.
        for line in log.splitlines():
            self.assertRegex(line, r"^(\*\* )?\(agentctl-locksd:\d+\): |^[A-Za-z-]+-(Message|INFO): |^$", ascii(line))

    def hostile_directory(self, name, data):
        path = os.fsencode(self.directory(f"h-{list(TEXTS).index(name)}", "alice")) + b"/" + data
        os.mkdir(path)
        os.chown(path, machine.uid_of("alice"), machine.gid_of("alice"))
        return path

    @staticmethod
    def acquire(caller, path, **given):
        if is_text(path):
            return caller.acquire(path.decode(), **given)
        return caller.acquire("", directory_fd=caller.open("directory", path), **given)

    def state_files(self):
        for folder in (f"{self.service.runtime}/locks", f"{self.service.state}/claims"):
            for name in os.listdir(folder):
                with open(f"{folder}/{name}", "rb") as file:
                    yield name, file.read()

    def test_paths_and_texts(self):
        agent = self.agent("/", "alice")
        ids = {}
        for name, data in TEXTS.items():
            text = data.decode(errors="replace")
            ids[name] = self.acquire(agent, self.hostile_directory(name, data), manual=True, reason=text, agent=text,
                                     session=text)
        for name, contents in self.state_files():
            self.assertRegex(contents, rb"\A[\x20-\x7e\n]*\Z", name)
        self.look_at_tables(ids)
        self.provoke_messages(ids)

        self.service.kill()
        self.service.start()
        me = self.client()
        for name, data in TEXTS.items():
            lock = me.lock(ids[name])
            path = bytes(lock["directory-bytes"]) if "directory-bytes" in lock else os.fsencode(lock["directory"])
            self.assertTrue(path.endswith(b"/" + data), (name, path))
            self.assertEqual("directory-bytes" in lock, not is_text(data))
            self.assertEqual(lock["reason"], data.decode(errors="replace"))
            if not is_text(data):
                self.clean(lock["directory"], name)

    def look_at_tables(self, ids):
        for who in ("root", "alice", "bob"):
            result = self.command_line_as(who, "list", "--no-legend")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.clean(result.stdout, "list")
            self.assertEqual(len(result.stdout.splitlines()), len(ids))
            result = self.command_line_as(who, "list", "--no-legend", "--output=id,directory,reason,agent,session")
            if result.returncode == 0:
                self.clean(result.stdout, "list --output")
                self.assertEqual(len(result.stdout.splitlines()), len(ids))
            result = self.command_line_as(who, "list", "--json")
            self.assertEqual({lock["id"] for lock in json.loads(result.stdout)}, set(ids.values()))

    def provoke_messages(self, ids):
        """Each lock is named to somebody whom it is in the way of."""
        root = self.agent("/", "root")
        for name, data in TEXTS.items():
            path = os.fsencode(f"{self.service.root}/work/h-{list(TEXTS).index(name)}/") + data
            for error in (self.refused("Held", self.acquire, root, path, follow_cwd=False),
                          self.refused("NotPermitted", self.acquire, self.agent("/", "bob"), path, follow_cwd=False)):
                self.clean(error.message, name)
                self.assertNotIn("\n", error.message)
            result = self.command_line_as("root", "check", os.fsdecode(path))
            self.clean(result.stdout + result.stderr, f"check {name}")

    def test_free_texts_reach_no_log(self):
        """Nor the reason that an error tells to who may read it; at no level."""
        place = self.directory(owner="alice", mode=0o777)
        agent, _ = self.holder(place, "alice", agent="text-a", session="text-s", reason="text-r")
        self.assertIn("text-r", self.refused("Held", self.agent(place, "alice").acquire, place).message)
        self.refused("TimedOut", self.agent(place, "alice").acquire, place, conflict="wait", timeout=1)
        agent.acquire(place, reason="text-n")
        agent.release(place)
        self.me.list()
        self.assertIn("Call refused: Held", self.service.log())
        self.assertNotIn("text-", self.service.log())

    def test_names_of_programs(self):
        place = self.directory(owner="alice", mode=0o777)
        for number, data in enumerate(TEXTS.values()):
            program = os.fsencode(self.service.root) + b"/work/p%d/" % number
            os.mkdir(program)
            program += data
            shutil.copy(self.service.installation.agent, program)
            agent = self.agent(place, "alice", program=program)
            lock = agent.acquire(place)
            command = self.me.lock(lock)["command"]
            self.clean(command, data)
            self.assertNotIn("\n", command)
            self.clean(self.refused("Held", self.agent(place, "alice").acquire, place).message, data)
            for process in self.me.call("Occupants", place)[0]:
                self.clean(process["command"], data)
            self.clean(self.command_line_as("root", "occupants", place).stdout, data)
            self.clean(self.command_line_as("root", "list").stdout, data)
            agent.die()
            self.me.wait_released(lock, "exited")

    def test_options(self):
        """The name of an option is quoted back: cut where a letter ends."""
        agent = self.agent("/", "bob")
        for data in TEXTS.values():
            for length in (1, 63, 64, 65, 10_000):
                key = (data.decode(errors="replace") * length)[:length]
                for method, args in (("Acquire", ("/",)), ("Release", ("/",)), ("List", ()), ("Transfer", (1,))):
                    error = self.refused("InvalidOption", agent.call, method, *args,
                                         {key: GLib.Variant("s", key)})
                    self.clean(error.message, key)
                    self.assertNotIn("\n", error.message)
                    self.assertLess(len(error.message), 2000)

    def test_values(self):
        agent = self.agent("/", "bob")
        for data in TEXTS.values():
            text = data.decode(errors="replace")
            for method, args in (("Acquire", (text, {})), ("Acquire", ("/", options(conflict=text))),
                                 ("Release", (text, {})), ("Check", (text,)), ("Occupants", (text,)),
                                 ("List", (options(kind=text),)), ("List", (options(directory=text),)),
                                 ("Acquire", ("/" + text + "/none", {})), ("Check", ("/" + text + "/none",))):
                try:
                    agent.call(method, *args)
                except harness.Refused as error:
                    self.clean(error.message, (method, text))
                    self.assertNotIn("\n", error.message)
            self.assertEqual(agent.call("Cancel", text), (False,))

    def test_a_monitor_shows_one_line_for_each(self):
        process = subprocess.Popen(
            [self.service.installation.command_line, "monitor", f"--address={self.service.address(self.door)}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.service.environment, preexec_fn=harness._die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = harness.lines_of(process)
        agent = self.agent("/", "alice")
        ready = self.directory("ready", "alice")

        def heard():
            agent.release(id=agent.acquire(ready, manual=True))
            return lines()
        until(heard, "the monitor")
        before = None
        while before != len(lines()):  # what is still on its way
            before = len(lines())
            agent.call("List", {})
        for name, data in TEXTS.items():
            self.acquire(agent, self.hostile_directory(name, data), manual=True, reason=data.decode(errors="replace"))
        until(lambda: sum("/h-" in line for line in lines()) >= len(TEXTS), lambda: f"the news: {lines()}")
        for line in lines():
            self.clean(line, "monitor")
        self.assertEqual(sum("/h-" in line for line in lines()), len(TEXTS))


if __name__ == "__main__":
    harness.main()
