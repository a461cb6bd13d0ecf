# SPDX-License-Identifier: MIT
"""The service as a process: its doors, its folders, one at a time, restarts."""
import glob
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import harness
from harness import Gio, GLib, both_doors, until


class Alone(harness.Case):
    """One table a user."""

    def end_of(self, process):
        until(lambda: process.poll() is not None, "its end")
        return process.returncode

    def test_a_second_one_refuses_and_names_the_first(self):
        _, lock = self.holder(self.directory())
        second = self.service.launch()
        self.assertNotEqual(self.end_of(second), 0)
        self.assertIn(str(self.service.process.pid), self.service.log())
        self.assertEqual(self.me.lock(lock)["id"], lock, "the first has not noticed")
        self.client("direct").get("Version")

    def test_a_second_one_without_the_bus_refuses_too(self):
        second = self.service.launch("--no-bus")
        self.assertNotEqual(self.end_of(second), 0)
        self.assertIn(str(self.service.process.pid), self.service.log())

    def test_a_second_one_starts_where_the_first_was_killed(self):
        _, lock = self.holder(self.directory())
        self.service.kill()
        self.service.start()
        self.assertEqual(self.client("direct").lock(lock)["id"], lock)

    def test_replace(self):
        place = self.directory()
        agent, lock = self.holder(place)
        first = self.service.process
        self.service.process = self.service.launch("--replace")
        self.assertEqual(self.end_of(first), 0)
        self.service.wait_ready()
        me = self.client("direct")
        self.assertEqual(me.lock(lock)["pid"], agent.pid)
        self.me.drain()
        self.assertEqual(self.me.released(), [])
        agent.kill()
        me.wait_released(lock, "exited")

    def test_replace_where_there_is_nothing_to_replace(self):
        self.service.stop()
        self.service.start("--replace")
        self.client().get("Version")

    def sharing_the_state(self):
        """Another user's session, as over SSH without XDG_RUNTIME_DIR: the same home, another runtime directory."""
        other = harness.Service(bus=False, arguments=["--no-bus"])
        self.addCleanup(other.cleanup)
        other.state = self.service.state
        return other

    def test_one_alone_keeps_the_claims(self):
        lock = self.me.acquire(self.directory(), manual=True)
        other = self.sharing_the_state()
        second = other.launch()
        self.assertNotEqual(self.end_of(second), 0)
        self.assertIn(f"(pid {self.service.process.pid})", other.log())
        self.assertIn(self.service.state, other.log())
        self.assertEqual(self.me.lock(lock)["id"], lock, "the first has not noticed")
        self.service.kill()
        other.start()
        client = harness.Client(other.address("direct"), "direct")
        self.clients.append(client)
        self.assertEqual(client.lock(lock)["id"], lock, "they are the next one's")

    def test_replace_the_one_that_keeps_the_claims(self):
        lock = self.me.acquire(self.directory(), manual=True)
        first = self.service.process
        other = self.sharing_the_state()
        other.start("--replace")
        self.assertEqual(self.end_of(first), 0)
        self.service.start("--replace")
        self.assertEqual(self.end_of(other.process), 0)
        self.assertEqual(self.client("direct").lock(lock)["id"], lock)

    def test_a_state_folder_that_cannot_be_locked_starts_all_the_same(self):
        """Nobody is proven to be there; who writes there later gets Unavailable."""
        self.service.stop()
        path = f"{self.service.state}/instance"
        os.unlink(path)
        os.symlink("/nonexistent/place", path)
        self.service.start()
        self.client("direct").get("Version")
        self.assertIn(f'"{path}"', self.service.log())
        self.assertIn("would not be noticed", self.service.log())

    def test_other_folders_are_another_instance(self):
        other = harness.Service(bus=False, arguments=["--no-bus"])
        self.addCleanup(other.cleanup)
        other.start()
        client = harness.Client(other.address("direct"), "direct")
        place = self.directory()
        self.holder(place)
        self.assertEqual(client.list(), [])
        client.close()
        other.stop()


class Doors(harness.Case):
    autostart = False

    def test_without_any_bus(self):
        self.service.stop_bus()
        self.service.start()
        self.use("direct")

    def test_without_an_address_of_a_bus(self):
        """As over SSH, in cron, in a container: the variable is not even set."""
        self.service.stop_bus()
        del self.service.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.service.start()
        self.use("direct")

    def test_no_bus_keeps_off_the_bus(self):
        self.service.arguments.append("--no-bus")
        self.service.start()
        self.use("direct")
        self.assertFalse(self.service.owns_name())

    def test_listen(self):
        more = [f"{self.service.root}/tmp/one", f"{self.service.root}/tmp/two"]
        self.service.start(*(f"--listen=unix:path={path}" for path in more))
        for path in more:
            client = harness.Client(f"unix:path={path}", "direct")
            self.clients.append(client)
            client.acquire(self.directory(os.path.basename(path)), manual=True)
        self.assertEqual(len(self.client("direct").list()), 2)
        self.assertEqual(len(self.client("bus").list()), 2)
        for client in self.clients:
            client.close()
        self.service.stop()
        for path in more:
            self.assertFalse(os.path.exists(path), "the socket file goes with the service")

    def test_listen_abstract(self):
        name = f"agl-test-{os.getpid()}"
        self.service.start(f"--listen=unix:abstract={name}")
        client = harness.Client(f"unix:abstract={name}", "direct")
        self.clients.append(client)
        self.assertEqual(client.list(), [])

    def test_listen_nowhere(self):
        process = self.service.launch("--listen=unix:path=/nonexistent/folder/socket")
        until(lambda: process.poll() is not None, "its end")
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("/nonexistent/folder/socket", self.service.log())

    def use(self, door):
        self.door = door
        self.me = self.client(door)
        agent, lock = self.holder(self.directory())
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_the_bus_going_away_loses_nothing(self):
        self.service.start()
        me = self.client("direct")
        self.door = "direct"
        agent, lock = self.holder(self.directory())
        self.service.stop_bus()
        self.rounds_pass_on(me)
        self.assertEqual(me.lock(lock)["pid"], agent.pid)
        self.service.start_bus()
        until(self.service.owns_name, "the name on the new bus")
        self.assertEqual(self.client("bus").lock(lock)["pid"], agent.pid)
        agent.kill()
        me.wait_released(lock, "exited")

    def rounds_pass_on(self, client):
        self.me = client
        self.rounds_pass()

    def test_a_bus_that_comes_later(self):
        self.service.stop_bus()
        self.service.start()
        _, lock = self.agent_on_direct()
        self.service.start_bus()
        until(self.service.owns_name, "the name on the bus")
        self.assertEqual([b["id"] for b in self.client("bus").list()], [lock])

    def agent_on_direct(self):
        place = self.directory()
        agent = self.agent(place, door="direct")
        return agent, agent.acquire(place)

    def test_a_bus_that_ends_with_calls_on_their_way(self):
        """They have been read, and their callers cannot be asked for any more."""
        self.service.start()
        me = self.client("direct")
        flags = Gio.DBusConnectionFlags
        callers = [Gio.DBusConnection.new_for_address_sync(
            self.service.address("bus"), flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
            for _ in range(100)]
        harness.hold(self.service.process)
        for caller in callers:
            caller.set_exit_on_close(False)
            caller.call(harness.NAME, harness.PATH, harness.NAME, "List", GLib.Variant("(a{sv})", ({},)), None,
                        Gio.DBusCallFlags.NONE, -1, None, None)
            caller.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None,
                             Gio.DBusCallFlags.NONE, -1, None)  # the bus has come to the call before it
        self.service.stop_bus()
        self.service.process.send_signal(signal.SIGCONT)
        self.assertEqual(me.list(), [])
        until(lambda: "went away" in self.service.log(), "that the service sees the end of its bus")
        self.assertEqual(me.list(), [])

    def test_a_bus_that_hangs_keeps_nobody(self):
        """It reads no more, and what is told stays in the service, which stops all the same."""
        self.service.start()
        me = self.client("direct")
        place = self.directory()
        harness.hold(self.service.bus)
        for _ in range(1500):
            me.release(id=me.acquire(place, manual=True))
        self.service.stop()
        self.service.bus.send_signal(signal.SIGCONT)

    def test_its_folders_are_made(self):
        """The defaults below the environment's folders."""
        command = [word for word in self.service.command("--no-bus")
                   if not word.startswith(("--runtime-dir", "--state-dir"))]
        runtime = f"{self.service.root}/xdg/agentctl-locks"
        self.service.runtime = runtime
        self.service.process = self.service.launch(command=command)
        self.service.arguments.append("--no-bus")
        self.service.wait_ready()
        self.assertEqual(os.stat(runtime).st_mode & 0o777, 0o700)
        self.assertTrue(os.path.isdir(f"{self.service.root}/home/state/agentctl-locks"))


class OtherSessions(harness.Case):
    """Each dbus-run-session(1) has a bus of its own; the service of the user is one."""

    autostart = False

    def setUp(self):
        super().setUp()
        self.offer_activation(self.service)

    def offer_activation(self, place, *more):
        """The buses in @place start the service on the folders of self.service."""
        log = f"{self.service.root}/log"
        with open(f"{place.root}/services/{harness.NAME}.service", "w", encoding="utf-8") as file:
            command = " ".join(self.service.command(*more))
            file.write(f"[D-BUS Service]\nName={harness.NAME}\nExec=/bin/sh -c 'exec {command} 2>>{log}'\n")

    def another_session(self, *more):
        other = harness.Service(bus=False)
        self.addCleanup(other.cleanup)
        self.offer_activation(other, *more)
        other.start_bus()
        return other

    def call(self, session):
        client = harness.Client(session.address("bus"), "bus")
        self.clients.append(client)
        return client

    def serving(self):
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(self.service.socket)
            return struct.unpack("iII", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def test_two_sessions_are_served_by_one(self):
        self.service.start()
        here, other = self.client("bus"), self.another_session()
        lock = here.acquire(self.directory(), manual=True)
        there = self.call(other)
        self.assertEqual([each["id"] for each in there.list()], [lock])
        self.assertEqual(there.release(id=lock), 1)
        here.wait_released(lock, "released")
        there.wait_released(lock, "released")
        place = self.directory("theirs")
        agent = self.agent(place, door="direct")
        second = agent.acquire(place)
        agent.kill()
        for client in (here, there):
            client.wait_released(second, "exited")
        self.assertIsNone(self.service.process.poll())
        self.assertEqual([name for name in os.listdir(self.service.runtime) if name.startswith("invitation")], [])

    def test_the_next_session_after_the_first_has_ended(self):
        first = self.another_session()
        self.call(first).get("Version")
        owner = self.serving()
        place = self.directory()
        agent = self.agent(place, door="direct")
        lock = agent.acquire(place)
        first.stop_bus()
        until(lambda: "went away" in self.service.log(), "that the service sees the end of its bus")
        there = self.call(self.another_session())
        self.assertEqual([each["id"] for each in there.list()], [lock])
        self.assertEqual(self.serving(), owner)
        agent.kill()
        there.wait_released(lock, "exited")

    def test_the_first_was_started_where_there_was_no_bus(self):
        self.service.stop_bus()
        del self.service.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.service.start()
        lock = self.client("direct").acquire(self.directory(), manual=True)
        self.assertEqual([each["id"] for each in self.call(self.another_session()).list()], [lock])

    def test_who_keeps_off_the_bus_is_not_brought_there(self):
        self.service.arguments.append("--no-bus")
        self.service.start()
        self.service.arguments.clear()
        self.refused_by_bus(self.another_session())
        self.assertIn("in vain", self.service.log())
        self.assertIn(f"(pid {self.service.process.pid})", self.service.log())
        self.assertIsNone(self.service.process.poll())

    def refused_by_bus(self, session):
        with self.assertRaises(harness.Refused) as caught:
            self.call(session)
        self.assertIn("Spawn", caught.exception.name)

    def test_only_a_bus_brings_another_one(self):
        """Who starts a second one by hand is refused, whatever bus he has."""
        self.service.start()
        other = self.another_session()
        environment = {**self.service.environment, "DBUS_SESSION_BUS_ADDRESS": other.address("bus")}
        second = self.service.launch(environment=environment)
        until(lambda: second.poll() is not None, "its end")
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"(pid {self.service.process.pid})", self.service.log())
        self.assertFalse(other.owns_name())

    def invite(self, *addresses):
        for number, text in enumerate(addresses):
            with open(f"{self.service.runtime}/invitation.{number}", "w", encoding="utf-8") as file:
                file.write(text)
        self.service.process.send_signal(signal.SIGHUP)

    def test_an_invitation_that_makes_no_sense(self):
        """And what would keep whoever reads it."""
        self.service.start()
        os.mkfifo(f"{self.service.runtime}/invitation.100")
        with open(f"{self.service.runtime}/invitation.101", "w", encoding="utf-8") as file:
            file.truncate(1 << 40)
        with open(f"{self.service.root}/elsewhere", "w", encoding="utf-8") as file:
            file.write("unix:path=/nonexistent/elsewhere")
        os.symlink(file.name, f"{self.service.runtime}/invitation.102")
        self.invite("", "nonsense", "unix:", "unix:path=/nonexistent/a\nb", "autolaunch:",
                    "unix:path=/nonexistent/c;tcp:host=localhost,port=9", "unix:path=/nonexistent/bus")
        until(lambda: "/nonexistent/bus cannot be reached" in self.service.log(), "its attempt")
        self.client("bus").get("Version")
        self.assertEqual([name for name in os.listdir(self.service.runtime) if name.startswith("invitation")], [])
        self.assertNotIn("elsewhere", self.service.log())
        self.assertNotIn("/nonexistent/a", self.service.log())
        for address in ("autolaunch:", "tcp:"):
            self.assertNotIn(address, self.service.log(), "it serves sockets of this machine")

    def test_one_bus_under_two_addresses(self):
        """All is told there once."""
        self.service.process = self.service.launch(
            environment={**self.service.environment, "G_MESSAGES_DEBUG": "agentctl-locks"})
        self.service.wait_ready()
        other = f"unix:path={self.service.root}/other-spelling"
        os.symlink(f"{self.service.root}/message-bus", f"{self.service.root}/other-spelling")
        self.invite(other)
        until(lambda: f"{other} is the one at {self.service.address('bus')}" in self.service.log(), "its finding")
        here = self.client("bus")
        lock = here.acquire(self.directory(), manual=True)
        here.release(id=lock)
        here.wait_released(lock, "released")
        here.drain()
        self.assertEqual([(each.name, each.id) for each in here.signals if each.name != "LockChanged"],
                         [("LockAcquired", lock), ("LockReleased", lock)])

    def test_of_sessions_that_ended_one_is_waited_for(self):
        self.service.stop_bus()
        self.service.start()
        self.invite("unix:path=/nonexistent/bus-1", "unix:path=/nonexistent/bus-2")
        for number in (1, 2):
            until(lambda: f"/nonexistent/bus-{number} is given up" in self.service.log(), "the end of its attempts")
        self.service.start_bus()
        until(self.service.owns_name, "the name on the bus that it had first")

    def test_it_ends_as_it_is_invited(self):
        """The other one serves in its stead."""
        self.service.stop_bus()
        del self.service.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.service.start()
        lock = self.client("direct").acquire(self.directory(), manual=True)
        first, self.service.process = self.service.process, None
        harness.hold(first)

        def end_when_invited():
            until_seen = time.monotonic() + harness.LIMIT
            while time.monotonic() < until_seen and not glob.glob(f"{self.service.runtime}/invitation.*[0-9]"):
                time.sleep(0.01)
            first.kill()
            first.wait()
        helper = threading.Thread(target=end_when_invited)
        helper.start()
        there = self.call(self.another_session())
        helper.join()
        self.assertEqual([each["id"] for each in there.list()], [lock])

    def test_it_is_invited_as_it_stops(self):
        """It takes up nothing more while it takes leave of who does not read."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ear:
            ear.bind(f"{self.service.root}/notify")
            self.service.environment["NOTIFY_SOCKET"] = ear.getsockname()
            self.service.start()
            me, place = self.client("direct"), self.directory()
            self.service.bus.send_signal(signal.SIGSTOP)
            for _ in range(400):
                me.release(id=me.acquire(place, manual=True))

            def is_stopping():
                try:
                    return ear.recv(100).startswith(b"STOPPING=1")
                except BlockingIOError:
                    return False
            self.service.process.terminate()
            until(is_stopping, "that it stops")
            self.invite("unix:path=/nonexistent/bus")
            self.service.stop()
        self.service.bus.send_signal(signal.SIGCONT)
        self.assertNotIn("Serving the message bus", self.service.log())
        self.assertNotIn("Reloaded", self.service.log())

    def test_it_ends_with_its_bus_when_nothing_is_held(self):
        environment = {**self.service.environment, "DBUS_STARTER_ADDRESS": self.service.address("bus")}
        process = self.service.launch(environment=environment)
        until(self.service.owns_name, "the name")
        self.service.stop_bus()
        until(lambda: process.poll() is not None, "its end")
        self.assertEqual(process.returncode, 0)
        self.assertIn("nothing is held", self.service.log())


class CommandLine(harness.Case):
    autostart = False

    def run_daemon(self, *arguments):
        return subprocess.run([self.service.command()[0], *arguments], env=self.service.environment, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=harness.LIMIT)

    def test_version(self):
        done = self.run_daemon("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"agentctl-locks.* \d+\.\d+\.\d+")

    def test_help(self):
        done = self.run_daemon("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--user", "--system", "--listen", "--no-bus", "--config", "--runtime-dir", "--state-dir",
                       "--idle-exit", "--replace", "--version"):
            self.assertIn(option, done.stdout)

    def test_wrong_usage(self):
        for arguments in (["--colour"], ["surplus"], ["--user", "--system"], ["--user", "--idle-exit=soon"],
                          ["--user", "--idle-exit=-1"], ["--user", "--replace=no"], ["--user=1"]):
            with self.subTest(arguments=arguments):
                done = self.run_daemon(*arguments, f"--runtime-dir={self.service.runtime}",
                                       f"--state-dir={self.service.state}")
                self.assertNotEqual(done.returncode, 0)
                self.assertNotEqual(done.stderr.strip(), "")

    def test_a_configuration_that_is_not_there(self):
        os.unlink(f"{self.service.root}/config")
        process = self.service.launch()
        until(lambda: process.poll() is not None, "its end")
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(f"{self.service.root}/config", self.service.log())

    def test_a_configuration_with_nonsense_in_it(self):
        self.service.configure(CwdGraceSec="banana")
        process = self.service.launch()
        until(lambda: process.poll() is not None or os.path.exists(self.service.socket), "its end or its start")
        if process.poll() is None:
            process.terminate()
            process.wait()
        self.assertIn("CwdGraceSec", self.service.log())

    def test_idle_exit(self):
        process = self.service.launch("--idle-exit=1")
        until(lambda: process.poll() is not None, "its end after a second of nothing")
        self.assertEqual(process.returncode, 0)
        self.assertIn("Nothing to do", self.service.log())

    def test_no_idle_exit_while_something_is_held(self):
        self.service.start()
        client = self.client("direct")
        lock = client.acquire(self.directory(), manual=True)
        client.close()
        self.service.stop()
        self.service.start("--idle-exit=1")
        # Nobody is connected while another one comes and goes, which has nothing to do.
        other = harness.Service(bus=False, arguments=["--no-bus", "--idle-exit=1"])
        self.addCleanup(other.cleanup)
        idle = other.launch()
        until(lambda: idle.poll() is not None, "its end after a second of nothing")
        self.assertIsNone(self.service.process.poll())
        client = self.client("direct")
        self.assertEqual(client.release(id=lock), 1)
        process, self.service.process = self.service.process, None
        client.close()  # once it is free, the service goes
        until(lambda: process.poll() is not None, "its end")
        self.assertEqual(process.returncode, 0)

    def test_activation_by_the_bus(self):
        """The file that is installed, with the path of this build put in."""
        with open(f"{self.service.root}/services/{harness.NAME}.service", "w", encoding="utf-8") as file:
            file.write(f"[D-BUS Service]\nName={harness.NAME}\nExec={' '.join(self.service.command())}\n")
        self.service.stop_bus()
        self.service.start_bus()
        client = self.client("bus")
        self.assertEqual(client.list(), [])
        pid = client.connection.call_sync(
            "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
            harness.GLib.Variant("(s)", (harness.NAME,)), None, 0, -1, None).unpack()[0]
        os.kill(pid, signal.SIGTERM)
        client.close()


@both_doors
class Restart(harness.Case):
    def again(self):
        self.service.start()
        if self.door != "bus":
            self.me = self.client()

    def test_killed_and_started_again_it_holds_what_it_held(self):
        place, claimed = self.directory(), self.directory("claimed")
        agent, lock = self.holder(place, reason="kept")
        manual = self.me.acquire(claimed, manual=True, ttl=3600, reason="kept too")
        before = self.me.list()
        self.service.kill()
        self.again()
        until(lambda: self.me.lock(lock)["cwd"] == "inside", "the first look at where the holder is")
        self.assertEqual(self.me.list(), before)
        self.assertEqual(self.me.counters()["restored"], 2)
        other = self.agent(place)
        self.refused("Held", other.acquire, place)
        agent.kill()
        self.me.wait_released(lock, "exited")
        self.assertEqual(self.me.release(claimed), 1)
        self.assertGreater(other.acquire(place), max(lock, manual))

    def test_stopped_cleanly_it_releases_nothing(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.service.stop()
        self.again()
        self.assertEqual(self.me.released(), [])
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)

    def test_a_death_meanwhile_is_told_once(self):
        place = self.directory()
        agent, lock = self.holder(place)
        listener = self.client("bus")
        self.service.kill()
        agent.die()
        self.again()
        # Told on the bus as soon as the service is there; whoever asks finds it free.
        told = listener.wait_released(lock, "exited")
        self.assertEqual((told.directory, told.pid), (place, agent.pid))
        self.assertEqual(self.me.list(), [])
        listener.drain()
        self.assertEqual(len(listener.released(lock)), 1)
        self.service.kill()
        self.again()
        listener.drain()
        self.assertEqual(len(listener.released(lock)), 1, "and not once more")

    def test_a_death_meanwhile_is_told_to_who_comes_back_to_the_socket(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.service.kill()
        agent.die()
        self.service.start()
        returner = self.client("direct")
        told = returner.wait_released(lock, "exited")
        self.assertEqual((told.directory, told.pid), (place, agent.pid))
        returner.drain()
        self.assertEqual(len(returner.released(lock)), 1)

    def test_a_zombie_meanwhile(self):
        agent, lock = self.holder(self.directory())
        listener = self.client("bus")
        self.service.kill()
        agent.kill()
        self.again()
        listener.wait_released(lock, "exited")

    def test_leaving_meanwhile(self):
        agent, lock = self.holder(self.directory())
        listener = self.client("bus")
        self.service.kill()
        agent.chdir("/")
        self.again()
        listener.wait_released(lock, "left")

    def test_an_end_that_came_meanwhile(self):
        listener = self.client("bus")
        lock = self.me.acquire(self.directory(), manual=True, ttl=1)
        self.service.kill()
        self.again()
        listener.wait_released(lock, "expired")

    def test_a_directory_that_went_meanwhile(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True)
        listener = self.client("bus")
        self.service.kill()
        os.rmdir(place)
        self.again()
        if harness.handles_can_be_opened():
            listener.wait_released(lock, "removed")
            return
        # It may have been moved away. Not knowing releases nothing.
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["id"], lock)

    def test_ids_never_repeat(self):
        seen = []
        for number in range(5):
            lock = self.me.acquire(self.directory(), manual=True)
            self.assertNotIn(lock, seen)
            self.assertEqual(sorted(seen), seen)
            seen.append(lock)
            self.me.release(id=lock)
            self.service.kill()
            self.again()

    def test_many(self):
        locks = [self.me.acquire(self.directory(f"project-{number}"), manual=True) for number in range(100)]
        agents = [self.holder(self.directory(f"agents-{number}")) for number in range(20)]
        self.service.kill()
        self.again()
        self.assertEqual([lock["id"] for lock in self.me.list()], locks + [lock for _, lock in agents])


if __name__ == "__main__":
    harness.main()
