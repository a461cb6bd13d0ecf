# SPDX-License-Identifier: MIT
"""Other people's clients, as they are pasted from a manual page: on a message bus, and on the direct socket as
if it were one. Each acquires, is refused, listens and releases."""
import json
import os
import subprocess

import interop
from interop import harness


DBUS_PYTHON = """
import sys
import dbus.bus
locks = dbus.bus.BusConnection(sys.argv[1]).get_object("org.agentctl.Locks", "/org/agentctl/Locks")
free, blockers = locks.Check(sys.argv[2])
print(bool(free), blockers[0]["id"], locks.Get("org.agentctl.Locks", "Scope"))
"""


class Base(harness.Case):
    def setUp(self):
        super().setUp()
        self.free = self.directory("free")
        self.held = self.directory("held")
        self.agent_there, self.lock_there = self.holder(self.held)
        self.address = self.service.address(self.door)

    def run_program(self, *command, cwd=None, environment=None):
        return subprocess.run(command, cwd=cwd, env={**self.service.environment, **(environment or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=harness.LIMIT, check=False)

    def succeeds(self, *command, **more):
        done = self.run_program(*command, **more)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def fails(self, *command):
        done = self.run_program(*command)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def listen(self, *command):
        """A program that prints what it hears; its lines so far."""
        process = subprocess.Popen(command, env=self.service.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = harness.lines_of(process)
        return lambda: "\n".join(lines())

    def hears(self, text):
        """Repeats an event until the listener, which does not say when it is ready, tells of it."""
        def tried():
            self.me.release(id=self.me.acquire(self.free, manual=True, reason="heard by everyone"))
            return "LockAcquired" in text() and "LockReleased" in text()
        harness.until(tried, lambda: f"both signals in {text()!r}")
        self.assertIn(self.free, text())

    def plays_along(self, *command, environment=None):
        out = self.succeeds(*command, self.address, self.held, cwd=self.free, environment=environment)
        told = json.loads(out)
        acquired = self.me.wait_signal("LockAcquired", told["lock"])
        ended = self.me.wait_released(told["lock"], "released")
        self.assertEqual((acquired.directory, ended.pid), (self.free, acquired.pid))
        self.assertEqual(told, {
            "lock": acquired.id, "refusal": harness.ERROR_PREFIX + "Held", "released": 1,
            "heard": [["LockAcquired", acquired.id, self.free, acquired.pid],
                      ["LockReleased", acquired.id, self.free, acquired.pid, "released"]],
        })

    def program(self, name):
        return os.path.join(interop.HERE, name)


class Clients(Base):
    # --- systemd's ---

    def busctl(self, *arguments):
        return ("busctl", f"--address={self.address}", *arguments)

    def busctl_call(self, method, *arguments):
        return self.busctl("call", harness.NAME, harness.PATH, harness.NAME, method, *arguments)

    def test_busctl(self):
        out = self.succeeds(*self.busctl_call("Acquire", "sa{sv}", self.free, "2", "manual", "b", "true",
                                              "reason", "s", "by busctl"))
        lock = int(out.removeprefix("t "))
        self.assertEqual(self.me.lock(lock)["reason"], "by busctl")
        self.assertIn(self.held, self.fails(*self.busctl_call("Acquire", "sa{sv}", self.held, "1", "manual", "b",
                                                              "true")))
        self.assertEqual(self.succeeds(*self.busctl_call("Release", "sa{sv}", self.free, "0")), "u 1\n")
        self.me.wait_released(lock, "released")

    def test_busctl_looks_around(self):
        out = self.succeeds(*self.busctl("introspect", harness.NAME, harness.PATH))
        for member in (".Acquire", ".LockReleased", ".Counters"):
            self.assertIn(member, out)
        self.assertIn(harness.PATH, self.succeeds(*self.busctl("tree", harness.NAME)))
        self.assertIn(harness.NAME, self.succeeds(*self.busctl("list")))
        self.assertIn(f"PID={self.service.process.pid}", self.succeeds(*self.busctl("status", harness.NAME)))
        json_out = self.succeeds(*self.busctl("--json=short", "get-property", harness.NAME, harness.PATH,
                                              harness.NAME, "LockCount"))
        self.assertEqual(json.loads(json_out), {"type": "u", "data": 1})

    def test_busctl_monitor(self):
        self.hears(self.listen(*self.busctl("monitor", harness.NAME)))

    # --- GLib's ---

    def gdbus_call(self, method, *arguments):
        return ("gdbus", "call", "--address", self.address, "--dest", harness.NAME, "--object-path", harness.PATH,
                "--method", f"{harness.NAME}.{method}", *arguments)

    def test_gdbus(self):
        agent = self.agent(self.free)
        out = self.succeeds(*self.gdbus_call("Acquire", self.free, f"{{'pid': <uint32 {agent.pid}>}}"))
        lock = int(out.strip().removeprefix("(uint64 ").removesuffix(",)"))
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        error = self.fails(*self.gdbus_call("Acquire", self.held, "{'manual': <true>}"))
        self.assertIn(harness.ERROR_PREFIX + "Held", error)
        error = self.fails(*self.gdbus_call("Release", self.free, "{}"))
        self.assertIn(harness.ERROR_PREFIX + "HolderAlive", error)
        self.assertEqual(self.succeeds(*self.gdbus_call("Release", "", f"{{'id': <uint64 {lock}>, 'force': <true>}}")),
                         "(uint32 1,)\n")
        self.me.wait_released(lock, "forced")

    def test_gdbus_introspect_and_wait(self):
        out = self.succeeds("gdbus", "introspect", "--address", self.address, "--dest", harness.NAME,
                            "--object-path", harness.PATH)
        self.assertIn("interface org.agentctl.Locks {", out)
        self.succeeds("gdbus", "wait", "--address", self.address, "--timeout", "20", harness.NAME)

    def test_gdbus_monitor(self):
        self.hears(self.listen("gdbus", "monitor", "--address", self.address, "--dest", harness.NAME))

    # --- the reference implementation's, which knows no a{sv} ---

    def test_dbus_send(self):
        out = self.succeeds("dbus-send", f"--bus={self.address}", "--print-reply", f"--dest={harness.NAME}",
                            harness.PATH, harness.NAME + ".Check", f"string:{self.held}")
        self.assertIn("boolean false", out)
        self.assertIn(f"uint64 {self.lock_there}", out)
        error = self.fails("dbus-send", f"--bus={self.address}", "--print-reply", f"--dest={harness.NAME}",
                           harness.PATH, harness.NAME + ".Check", "string:no/absolute/path")
        self.assertIn(harness.ERROR_PREFIX + "InvalidDirectory", error)

    def test_dbus_monitor(self):
        self.hears(self.listen("dbus-monitor", "--address", self.address, f"interface='{harness.NAME}'"))

    # --- languages ---

    def test_python(self):
        self.plays_along("/usr/bin/python3", self.program("gio_client.py"), "bus")

    def test_python_with_libdbus(self):
        """dbus-python names no interface where it is told none."""
        out = self.succeeds("/usr/bin/python3", "-c", DBUS_PYTHON, self.address, self.held)
        self.assertEqual(out, f"False {self.lock_there} user\n")

    def test_gjs(self):
        self.plays_along("gjs", self.program("gjs_client.js"), "bus")

    def test_node(self):
        self.plays_along("node", self.program("node_client.js"), "bus",
                         environment={"NODE_PATH": interop.node_modules()})

    def test_agentctl(self):
        """agentctl's lock manager, on this service (docs/agentctl.md)."""
        out = self.succeeds("node", self.program("agentctl_test.js"), self.address, self.directory("agentctl"),
                            environment={"NODE_PATH": interop.node_modules()})
        self.assertTrue(out.endswith("all done\n"), out)


ClientsOnEachDoor = harness.both_doors(Clients)
del Clients


class Peers(Base):
    """Clients that know nothing of a bus, on the direct socket."""

    door = "direct"
    bus = False
    arguments = ("--no-bus",)

    def test_python(self):
        self.plays_along("/usr/bin/python3", self.program("gio_client.py"), "peer")

    def test_gjs(self):
        self.plays_along("gjs", self.program("gjs_client.js"), "peer")

    def test_dbus_send(self):
        out = self.succeeds("dbus-send", f"--peer={self.address}", "--print-reply", harness.PATH,
                            harness.NAME + ".Check", f"string:{self.held}")
        self.assertIn(f"uint64 {self.lock_there}", out)


if __name__ == "__main__":
    harness.main()
