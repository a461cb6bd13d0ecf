# SPDX-License-Identifier: MIT
"""What a person is told when the service is older, newer, absent, somebody else, or stuck: which of them, who it is
and what to do. Nothing of it may crash agentctl-locks or make it wait for ever."""
import json
import os
import signal
import threading
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

import harness
import terminal
from harness import lines_of, until

OLDER, NEWER = "0.0.9", "99.1"
# Of a service that never heard of Check and later methods.
OLD_METHODS = """
    <method name="List"><arg type="a{sv}" direction="in"/><arg type="aa{sv}" direction="out"/></method>
    <method name="Acquire"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/>
      <arg type="t" direction="out"/></method>
"""
NEW_METHODS = OLD_METHODS + """
    <method name="Check"><arg type="s" direction="in"/><arg type="b" direction="out"/>
      <arg type="aa{sv}" direction="out"/></method>
    <method name="Occupants"><arg type="s" direction="in"/><arg type="u" direction="out"/></method>
"""
# As List might give it one day: a kind, a state and keys that nobody knows yet, and a key that is gone.
FUTURE_LOCK = {
    "id": GLib.Variant("t", 7), "directory": GLib.Variant("s", "/somewhere"), "kind": GLib.Variant("s", "lease"),
    "pid": GLib.Variant("u", 0), "uid": GLib.Variant("u", 0), "cwd": GLib.Variant("s", "nearby"),
    "colour": GLib.Variant("s", "green"), "shape": GLib.Variant("(ii)", (1, 2)), "acquired-at": GLib.Variant("t", 1),
}


class Fake:
    """Whoever owns our name on the bus."""

    def __init__(self, address, version, methods, answers, path=harness.PATH):
        self.answers = answers
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
            None, None)
        self.connection.set_exit_on_close(False)
        self.version = version
        xml = f"""<node><interface name="{harness.NAME}">{methods}
            <property name="Version" type="s" access="read"/><property name="Scope" type="s" access="read"/>
            <property name="Mood" type="s" access="read"/><property name="WaiterCount" type="u" access="read"/>
            <property name="Counters" type="a{{st}}" access="read"/></interface></node>"""
        self.connection.register_object(path, Gio.DBusNodeInfo.new_for_xml(xml).interfaces[0], self.on_call,
                                        self.on_get, None)
        self.connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                                  GLib.Variant("(su)", (harness.NAME, 0)), None, 0, -1, None)

    def on_call(self, _connection, _sender, _path, _interface, method, _parameters, invocation):
        answer = self.answers[method]
        if isinstance(answer, tuple):
            invocation.return_dbus_error(*answer)
        else:
            invocation.return_value(answer)

    def on_get(self, _connection, _sender, _path, _interface, name):
        return {"Version": GLib.Variant("s", self.version), "Scope": GLib.Variant("s", "galaxy"),
                "Mood": GLib.Variant("s", "fine"), "WaiterCount": GLib.Variant("u", 0),
                "Counters": GLib.Variant("a{st}", {"acquired": 3, "released-vanished": 2, "daydreams": 1})}[name]

    def emit(self, name, parameters):
        self.connection.emit_signal(None, harness.PATH, harness.NAME, name, parameters)


class Case(harness.Case):
    autostart = False
    door = "bus"

    def fake(self, *arguments, **given):
        fake = Fake(self.service.address("bus"), *arguments, **given)
        self.addCleanup(fake.connection.close_sync, None)
        return fake

    def ask(self, *arguments, limit=None, **given):
        """(status, lines), while the fake answers."""
        process = self.start_command_line(*arguments, **given)
        lines = lines_of(process)
        until(lambda: process.poll() is not None, lambda: f"the end of {arguments}; it said {lines()}", limit)
        return process.returncode, "\n".join(lines())

    def version(self):
        done = self.command_line("--version", address=False)
        return done.stdout.split()[1]


class Older(Case):
    def test_a_method_that_it_does_not_have(self):
        self.fake(OLDER, OLD_METHODS, {})
        status, said = self.ask("check", "/")
        self.assertEqual(status, 70)
        for word in ("older", OLDER, self.version(), "Check", "Restart the service", "no lock is lost"):
            self.assertIn(word, said)

    def test_an_option_that_it_does_not_know(self):
        self.fake(OLDER, OLD_METHODS, {"Acquire": (harness.ERROR_PREFIX + "InvalidOption", "There is no option 'ttl'")})
        status, said = self.ask("claim", "--ttl=60", "/")
        self.assertEqual(status, 70)
        for word in ("older", OLDER, self.version(), "There is no option 'ttl'"):
            self.assertIn(word, said)

    def test_what_it_can_do_it_does(self):
        self.fake(OLDER, OLD_METHODS, {"List": GLib.Variant("(aa{sv})", ([],))})
        self.assertEqual(self.ask("list", "--json"), (0, "[]"))

    def test_the_same_version_means_what_it_says(self):
        self.fake(self.version(), OLD_METHODS,
                  {"Acquire": (harness.ERROR_PREFIX + "InvalidOption", "Option 'ttl' is at most 5")})
        status, said = self.ask("claim", "--ttl=60", "/")
        self.assertEqual(status, 64)
        self.assertIn("Option 'ttl' is at most 5", said)
        self.assertNotIn("older", said)

    def test_numbers_of_versions_are_numbers(self):
        mine = self.version().split(".")
        fake = self.fake(".".join([mine[0], str(int(mine[1]) + 10), "0"]), OLD_METHODS, {})
        self.assertIn("newer", self.ask("check", "/")[1])
        fake.version = "0"
        self.assertIn("older", self.ask("check", "/")[1])


class Newer(Case):
    def setUp(self):
        super().setUp()
        locks = GLib.Variant("aa{sv}", [FUTURE_LOCK])
        self.newer = self.fake(NEWER, NEW_METHODS, {
            "List": GLib.Variant.new_tuple(locks),
            "Check": GLib.Variant.new_tuple(GLib.Variant("b", False), locks),
            "Occupants": GLib.Variant("(u)", (0,)),
            "Acquire": (harness.ERROR_PREFIX + "Quarantined", "The directory is in quarantine until noon"),
        })

    def test_unknown_kinds_and_states_are_shown(self):
        status, said = self.ask("list", "--output=id,kind,cwd,directory,pid")
        self.assertEqual(status, 0)
        self.assertEqual(said.splitlines()[1].split(), ["7", "lease", "nearby", "/somewhere", "-"])
        status, said = self.ask("check", "--output=id,mode,directory", "/somewhere")
        self.assertEqual(status, 75)
        self.assertEqual(said.splitlines()[1].split(), ["7", "exclusive", "/somewhere"])

    def test_json_has_what_came(self):
        status, said = self.ask("list", "--json")
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(said), [{"id": 7, "directory": "/somewhere", "kind": "lease", "pid": 0, "uid": 0,
                                             "cwd": "nearby", "colour": "green", "shape": [1, 2], "acquired-at": 1}])

    def test_an_unknown_error(self):
        status, said = self.ask("claim", "/")
        self.assertEqual(status, 70)
        self.assertIn("The directory is in quarantine until noon", said)

    def test_a_reply_of_another_type(self):
        status, said = self.ask("occupants", "/")
        self.assertEqual(status, 70)
        for word in ("newer", NEWER, self.version(), "Update this program"):
            self.assertIn(word, said)

    def test_unknown_reasons_and_counters(self):
        status, said = self.ask("metrics")
        self.assertEqual(status, 0)
        self.assertIn('agentctl_locks_released_total{reason="vanished"} 2', said)

    def test_unknown_reasons_properties_and_signals(self):
        shown, objects = lines_of(self.start_command_line("monitor")), lines_of(self.start_command_line("monitor", "--json"))
        bar = lines_of(self.start_command_line("monitor", "--format=plain:{state} {locks} {process} {manual} {who}"))

        def told():
            self.newer.emit("LockParked", GLib.Variant("(ts)", (7, "for\nnow")))
            self.newer.emit("LockChanged", GLib.Variant("(ta{sv})", (7, {"mood": GLib.Variant("s", "dark")})))
            self.newer.emit("LockReleased", GLib.Variant("(tsusa{sv})", (7, "/somewhere", 0, "vanished", FUTURE_LOCK)))
            return all(any("vanished" in line for line in lines()) for lines in (shown, objects)) and bar()
        until(told, lambda: f"what both were told: {shown()} {objects()} {bar()}")
        until(lambda: any("vanished" in line for line in shown()) and len(shown()) > 2, "the rest")
        text = "\n".join(shown())
        self.assertIn("mood='dark'", text)
        self.assertRegex(text, r"LockParked +\(7, 'for\\\\+n(ow)?")
        for line in objects():
            one = json.loads(line)
            self.assertIn(one["event"], ("LockReleased", "LockChanged"))
        self.assertIn("vanished", [json.loads(line).get("release") for line in objects()])
        self.assertEqual(bar()[0], "held 1 1 0 root")

    def test_on_a_terminal_too(self):
        """Where words are translated, those that are not known stay as they are."""
        answer = []
        command = [os.path.join(harness.BUILD, "src", "client", "agentctl-locks"), "list",
                   f"--address={self.service.address('bus')}", "--output=id,kind,cwd,directory"]
        # The fake answers from this thread's main loop.
        thread = threading.Thread(target=lambda: answer.append(terminal.run(command, self.service.environment)))
        thread.start()
        until(lambda: not thread.is_alive(), "the table")
        status, lines = answer[0]
        self.assertEqual(status, 0)
        self.assertEqual(lines[1].split(), ["7", "lease", "nearby", "/somewhere"])


class Absent(Case):
    def test_no_socket(self):
        done = self.command_line("list", f"--address=unix:path={self.service.root}/none", address=False)
        self.assertEqual(done.returncode, 69)
        self.assertRegex(done.stderr, r"nobody answers at unix:path=\S+/none: \S")

    def test_nobody_on_the_bus(self):
        status, said = self.ask("list")
        self.assertEqual(status, 69)
        self.assertIn(self.service.address("bus"), said)
        self.assertIn("no agentctl-locks service", said)

    def test_somebody_else_has_the_name(self):
        self.fake("1", OLD_METHODS, {}, path="/org/example/Other")
        status, said = self.ask("list")
        self.assertEqual(status, 69)
        for word in (self.service.address("bus"), "no agentctl-locks service", self.version()):
            self.assertIn(word, said)

    def test_none_can_be_started(self):
        environment = {"AGENTCTL_LOCKS_DAEMON": f"{self.service.root}/missing", "DBUS_SESSION_BUS_ADDRESS": ""}
        done = self.command_line("list", "--user", address=False, environment=environment)
        self.assertEqual(done.returncode, 69)
        self.assertIn(f"cannot start the service: {self.service.root}/missing", done.stderr)

    def test_no_system_service(self):
        done = self.command_line("list", "--system", address=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("systemctl start agentctl-locks", done.stderr)


class Stuck(harness.Case):
    """Stopped by SIGSTOP: it takes connections and calls, and answers none. Each command ends by itself."""

    def tearDown(self):
        self.service.process.send_signal(signal.SIGCONT)
        super().tearDown()

    def stop(self):
        harness.hold(self.service.process)

    def check_words(self, process, lines):
        # The limits of agentctl-locks itself are 10 seconds to connect and 25 for an answer.
        until(lambda: process.poll() is not None, lambda: f"its end; it said {lines()}", 3 * harness.LIMIT)
        said = "\n".join(lines())
        self.assertEqual(process.returncode, 69, said)
        for word in (f"process {self.service.process.pid}", "stopped", f"kill -CONT {self.service.process.pid}"):
            self.assertIn(word, said)

    def test_each_command_ends_and_names_it(self):
        place = self.directory()
        _, lock = self.holder(place)
        self.stop()
        asked = [self.start_command_line(*arguments, door=door) for door in ("bus", "direct")
                 for arguments in (["list"], ["check", "--json", place], ["run", place, "--", "true"],
                                   ["wait", "--wait=60", place])]
        for process in asked:
            self.check_words(process, lines_of(process))
        self.service.process.send_signal(signal.SIGCONT)
        self.assertEqual([one["id"] for one in self.me.list()], [lock], "nothing was lost and nothing taken")

    def test_a_wait_that_runs_out_meanwhile(self):
        place = self.directory()
        self.holder(place)
        for seconds in (3, 15, 75):
            end = time.monotonic() + seconds
            asked = [self.start_command_line("run", f"--wait={seconds}", place, "--", "true", door=door)
                     for door in ("bus", "direct")]
            until(lambda: self.me.get("WaiterCount") == 2 or time.monotonic() >= end, "both to wait")
            self.stop()
            if time.monotonic() < end:
                break
            # The service was there when the time was up, and may have said so.
            self.service.process.send_signal(signal.SIGCONT)
        for process in asked:
            self.check_words(process, lines_of(process))

    def test_who_waits_without_a_limit_waits_on(self):
        place = self.directory()
        agent, lock = self.holder(place)
        process = self.start_command_line("run", "--wait", place, "--", "echo", "mine")
        lines = lines_of(process)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("waiters") == 1)
        self.stop()
        agent.kill()
        self.service.process.send_signal(signal.SIGCONT)
        until(lambda: "mine" in lines(), lambda: f"its turn; it said {lines()}")


if __name__ == "__main__":
    harness.main()
