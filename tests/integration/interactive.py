# SPDX-License-Identifier: MIT
"""What takes a person: polkit asks for a password only where the caller's message allows it, for as long as it takes,
and meanwhile everybody else is served. polkit is a mock here (python-dbusmock), since there is nobody to type."""
import os
import pwd
import subprocess

import gi

gi.require_version("Gio", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
import machine
from harness import options, until

AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
# Says yes where it may ask a person, who takes until a file appears.
ANSWER = """
import os, time
open({asked!r}, "a").write(repr(args) + "\\n")
while args[3] == 1 and not os.path.exists({typed!r}):
    time.sleep(0.01)
ret = (args[3] == 1, args[3] == 0, {{}})
"""


class Interactive(machine.Case):
    def setUp(self):
        super().setUp()
        self.asked, self.typed = f"{self.service.root}/work/asked", f"{self.service.root}/work/typed"
        with open(self.asked, "w", encoding="utf-8"):
            pass
        os.chmod(self.asked, 0o666)
        user = pwd.getpwnam("polkitd")
        mock = subprocess.Popen(
            ["/usr/bin/python3", "-m", "dbusmock", "--system", "org.freedesktop.PolicyKit1",
             "/org/freedesktop/PolicyKit1/Authority", AUTHORITY], env=self.service.environment, cwd="/",
            user=user.pw_uid, group=user.pw_gid, extra_groups=[], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, preexec_fn=harness._die_with_parent)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.kill)
        until(lambda: self.service.owns_name("org.freedesktop.PolicyKit1"), "the mock")
        self.me.connection.call_sync(
            "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
            "AddMethod", GLib.Variant("(sssss)", (
                AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})",
                ANSWER.format(asked=self.asked, typed=self.typed))), None, 0, -1, None)
        self.place = self.directory(owner="alice", mode=0o777)
        self.alice, self.lock = self.holder(self.place, "alice")
        self.bob = self.agent(self.place, "bob")

    def questions(self):
        with open(self.asked, encoding="utf-8") as file:
            return file.read().splitlines()

    def test_without_leave_nobody_is_asked(self):
        self.refused("NotPermitted", self.bob.release, id=self.lock, force=True)
        self.assertEqual(len(self.questions()), 1)
        self.assertNotIn("UInt32(1", self.questions()[0])
        self.assertIn("org.agentctl.locks.override", self.questions()[0])
        self.assertIn("system-bus-name", self.questions()[0])

    def test_with_leave_it_takes_as_long_as_it_takes(self):
        asking = self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        # The person thinks; others work.
        other = self.directory("other", "carol")
        carol = self.agent(other, "carol")
        for _ in range(10):
            carol.release(id=carol.acquire(other))
        self.assertFalse(asking.done())
        self.assertIsNotNone(self.me.lock(self.lock))
        with open(self.typed, "w", encoding="utf-8"):
            pass
        self.assertEqual(asking.value(), (1,))
        self.me.wait_released(self.lock, "forced")

    def test_what_was_true_when_it_was_asked_need_not_be_when_it_is_answered(self):
        asking = self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        self.alice.release(self.place)
        with open(self.typed, "w", encoding="utf-8"):
            pass
        self.refused("NotFound", asking.value)

    def test_who_hangs_up_gets_nothing(self):
        self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        self.bob.die()
        with open(self.typed, "w", encoding="utf-8"):
            pass
        # The next one is asked after the first was answered: the mock does one thing at a time.
        self.refused("NotPermitted", self.agent(self.place, "carol").release, id=self.lock, force=True)
        self.assertEqual(self.me.lock(self.lock)["pid"], self.alice.pid)

    def test_a_question_about_a_directory_is_never_asked(self):
        """No authority stands in for permission on a directory."""
        closed = self.directory("closed", "alice", 0o755)
        asking = self.bob.begin_ask("Acquire", closed, options(manual=True))
        self.refused("NotPermitted", asking.value)
        self.assertEqual(self.questions(), [])

    def test_reading_troubles_nobody(self):
        self.alice.acquire(self.place, reason="secret")
        asking = self.bob.begin_ask("List", {})
        self.assertNotIn("reason", asking.value()[0][0])
        self.assertNotIn("UInt32(1", "".join(self.questions()))

    def test_how_many_questions_one_user_may_have_open(self):
        """The rest are refused at once, and polkit is left to others."""
        pending = [self.bob.begin_ask("Release", "", options(id=self.lock, force=True)) for _ in range(60)]
        until(lambda: sum(each.done() for each in pending) >= 60 - 32, "the refusals")
        self.assertEqual(sum(each.done() for each in pending), 60 - 32)
        with open(self.typed, "w", encoding="utf-8"):
            pass
        until(lambda: all(each.done() for each in pending), "the answers")
        self.assertIsNone(self.me.lock(self.lock))


if __name__ == "__main__":
    harness.main()
