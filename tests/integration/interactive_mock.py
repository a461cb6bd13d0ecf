# SPDX-License-Identifier: MIT
"""A polkit that asks a person: python-dbusmock, since there is nobody to type."""
import os
import pwd
import subprocess

import gi

gi.require_version("Gio", "2.0")
from gi.repository import GLib  # noqa: E402

import harness
from harness import until

AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
# Says yes where it may ask a person, who takes until a file appears.
ANSWER = """
import os, time
open({asked!r}, "a").write(repr(args) + "\\n")
while args[3] == 1 and not os.path.exists({typed!r}):
    time.sleep(0.01)
ret = (args[3] == 1, args[3] == 0, {{}})
"""


class Mixin:
    """For a machine.Case."""

    def start_mock(self):
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
        bus = self.client("bus")
        bus.connection.call_sync(
            "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
            "AddMethod", GLib.Variant("(sssss)", (
                AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})",
                ANSWER.format(asked=self.asked, typed=self.typed))), None, 0, -1, None)

    def questions(self):
        with open(self.asked, encoding="utf-8") as file:
            return file.read().splitlines()

    def type_password(self):
        with open(self.typed, "w", encoding="utf-8"):
            pass
