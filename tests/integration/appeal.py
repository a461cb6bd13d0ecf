# SPDX-License-Identifier: MIT
"""`agentctl-locks --system` finds the machine's service on its direct socket first, where there is nobody whom polkit
could be asked about. What is refused there it asks again on the system bus: of the same service, or of none."""
import os
import pty
import subprocess

import harness
import interactive_mock
import machine
from harness import until

RUN = "/run/agentctl-locks"


class Case(machine.Case):
    polkit = True
    door = "direct"

    def setUp(self):
        super().setUp()
        self.appear_at_the_usual_place(self.service)
        self.place = self.directory(owner="alice", mode=0o777)

    def appear_at_the_usual_place(self, service):
        """In the mount namespace of these tests alone."""
        os.makedirs(RUN, exist_ok=True)
        mount = harness.bind_mount(service.runtime, RUN)
        mount.__enter__()
        self.addCleanup(mount.__exit__, None, None, None)

    def start_as(self, who, *arguments, stdin=subprocess.DEVNULL, cwd="/"):
        process = subprocess.Popen(
            [self.service.installation.command_line, arguments[0], "--system", *arguments[1:]], cwd=cwd,
            env=self.service.environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", user=machine.uid_of(who), group=machine.gid_of(who), extra_groups=[],
            preexec_fn=harness._die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, status):
        until(lambda: process.poll() is not None, f"the end of {process.args}")
        text = process.stdout.read()
        self.assertEqual(process.returncode, status, text)
        return text

    def run_as(self, who, status, *arguments, **given):
        return self.finish(self.start_as(who, *arguments, **given), status)


class Overriding(Case):
    """carol may, says polkit; bob may not."""

    def both(self, *arguments, prepare, cwd="/"):
        """bob is told who may; for carol it is done."""
        lock = prepare()
        text = self.run_as("bob", 77, *[word.format(lock) for word in arguments], cwd=cwd)
        self.assertIn("org.agentctl.locks.override", text)
        self.assertIsNotNone(self.me.lock(lock))
        return lock, self.run_as("carol", 0, *[word.format(lock) for word in arguments], cwd=cwd)

    def test_release_by_force(self):
        lock, _ = self.both("release", "--force", self.place, prepare=lambda: self.holder(self.place, "alice")[1])
        self.me.wait_released(lock, "forced")

    def test_release_by_number(self):
        lock, _ = self.both("release", "--id={}", "--force", prepare=lambda: self.holder(self.place, "alice")[1])
        self.me.wait_released(lock, "forced")

    def test_release_of_a_claim(self):
        lock, _ = self.both("release", self.place, prepare=lambda: self.agent("/", "alice").acquire(
            self.place, manual=True))
        self.me.wait_released(lock, "forced")

    def test_steal(self):
        lock, _ = self.both("claim", "--steal", self.place, prepare=lambda: self.holder(self.place, "alice")[1])
        self.me.wait_released(lock, "stolen")

    def test_join(self):
        _, number = self.both("claim", "--join", self.place, prepare=lambda: self.holder(self.place, "alice")[1])
        self.assertEqual(len(self.me.list()), 2)
        self.assertEqual(self.me.lock(int(number))["uid"], machine.uid_of("carol"))

    def test_run_in_somebodys_place(self):
        lock, number = self.both("run", "--steal", self.place, "--", "sh", "-c", "echo $$",
                                 prepare=lambda: self.holder(self.place, "alice")[1])
        self.me.wait_released(lock, "stolen")
        self.me.wait_signal("LockAcquired", None, lambda s: s.pid == int(number))

    def test_transfer(self):
        heir = self.agent(self.place, "alice", connect=False)
        lock, _ = self.both("transfer", "--id={}", f"--pid={heir.pid}", "--force",
                            prepare=lambda: self.holder(self.place, "alice")[1])
        self.assertEqual(self.me.lock(lock)["pid"], heir.pid)

    def test_for_another_users_process(self):
        worker = self.agent(self.place, "alice", connect=False)
        arguments = ("acquire", f"--pid={worker.pid}", self.place)
        self.run_as("bob", 77, *arguments)
        number = self.run_as("carol", 0, *arguments)
        self.assertEqual(self.me.lock(int(number))["pid"], worker.pid)

    def test_a_wait_for_another_users_process(self):
        """Waits on the bus as it would have waited on the socket."""
        lock = self.agent("/", "alice").acquire(self.place, manual=True)
        worker = self.agent(self.place, "alice", connect=False)
        arguments = ("acquire", "--wait", f"--pid={worker.pid}", self.place)
        self.run_as("bob", 77, *arguments)
        waiting = self.start_as("carol", *arguments)
        until(lambda: self.me.get("WaiterCount") == 1, "the waiter")
        self.me.release(id=lock, force=True)
        until(lambda: self.me.get("LockCount") == 1, "the grant")
        self.finish(waiting, 0)
        self.assertEqual(self.me.list()[0]["pid"], worker.pid)

    def test_its_time_runs_out_there_too(self):
        lock = self.agent("/", "alice").acquire(self.place, manual=True)
        worker = self.agent(self.place, "alice", connect=False)
        self.run_as("carol", 75, "acquire", "--wait=0.2", f"--pid={worker.pid}", self.place)
        self.assertEqual([held["id"] for held in self.me.list()], [lock])

    def test_what_comes_of_it_on_the_bus_counts(self):
        lock = self.holder(self.place, "alice")[1]
        text = self.run_as("carol", 70, "release", f"--id={lock}")
        self.assertIn("--force", text)
        self.assertIsNotNone(self.me.lock(lock))

    def test_permission_on_a_directory_is_no_matter_of_polkit(self):
        place = self.directory("closed", "alice", 0o755)
        for who in ("bob", "carol"):
            self.assertIn("not writable", self.run_as(who, 77, "claim", place))
        self.assertEqual(self.me.list(), [])


class NowhereToAsk(Case):
    def refused(self, who="carol"):
        lock = self.holder(self.place, "alice")[1]
        text = self.run_as(who, 77, "release", f"--id={lock}", "--force")
        self.assertIn("on the system bus also whom polkit allows", text)
        self.assertIsNotNone(self.me.lock(lock))

    def test_without_a_bus(self):
        self.service.stop_polkit()
        self.service.stop_bus()
        self.refused()

    def test_without_polkit(self):
        lock = self.holder(self.place, "alice")[1]
        self.service.stop_polkit()
        self.run_as("carol", 77, "release", f"--id={lock}", "--force")
        self.assertIsNotNone(self.me.lock(lock))

    def test_another_service_on_the_bus_is_not_asked(self):
        """Its lock of the same number is another lock."""
        theirs = self.holder(self.place, "alice")[1]
        other = machine.Machine(bus=False, arguments=["--no-bus"])
        self.addCleanup(other.cleanup)
        # Its locks are of its own folder; the bus is this machine's.
        other.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.service.environment["DBUS_SYSTEM_BUS_ADDRESS"]
        other.start()
        self.appear_at_the_usual_place(other)
        there = harness.Client(other.address("direct"), "direct")
        self.clients.append(there)
        lock = there.acquire(self.place, manual=True)
        self.assertEqual(lock, theirs)
        self.assertIn("on the system bus also", self.run_as("carol", 77, "release", f"--id={lock}", "--force"))
        self.assertIsNotNone(there.lock(lock))
        self.assertIsNotNone(self.me.lock(theirs))

    def test_nothing_is_started_for_it(self):
        """The service lives on its socket and not on the bus, which would start one if it was asked for it."""
        self.service.stop()
        with open(f"{self.service.root}/bus.conf", encoding="utf-8") as file:
            text = file.read()
        services = f"{self.service.root}/services"
        os.chmod(services, 0o755)
        with open(f"{services}/{harness.NAME}.service", "w", encoding="utf-8") as file:
            file.write(f"[D-BUS Service]\nName={harness.NAME}\nExec=/usr/bin/touch {self.service.root}/work/started\n"
                       "User=root\n")
        self.assertNotIn("<servicedir>", text)
        with open(f"{self.service.root}/bus.conf", "w", encoding="utf-8") as file:
            file.write(text.replace("</busconfig>", f"<servicedir>{services}</servicedir></busconfig>"))
        self.service.bus.send_signal(1)
        self.service.arguments.append("--no-bus")
        self.service.start()
        self.me = self.client()
        self.refused()
        self.assertFalse(os.path.exists(f"{self.service.root}/work/started"))


class Person(interactive_mock.Mixin, Case):
    """Who is asked for a password, and when."""

    polkit = False

    def setUp(self):
        super().setUp()
        self.start_mock()
        self.lock = self.holder(self.place, "alice")[1]

    def terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        return theirs

    def test_at_a_terminal(self):
        asking = self.start_as("bob", "release", f"--id={self.lock}", "--force", stdin=self.terminal())
        until(self.questions, "the question")
        self.assertIsNone(asking.poll())
        self.assertIsNotNone(self.me.lock(self.lock))
        self.type_password()
        self.finish(asking, 0)
        self.me.wait_released(self.lock, "forced")

    def test_at_a_terminal_for_somebodys_place(self):
        asking = self.start_as("bob", "run", "--steal", self.place, "--", "true", stdin=self.terminal())
        until(self.questions, "the question")
        self.type_password()
        self.finish(asking, 0)
        self.me.wait_released(self.lock, "stolen")

    def test_elsewhere_nobody_is_asked(self):
        self.run_as("bob", 77, "release", f"--id={self.lock}", "--force")
        self.assertEqual(len(self.questions()), 1)
        self.assertNotIn("UInt32(1", self.questions()[0])

    def test_nor_without_a_word_of_force(self):
        self.run_as("bob", 77, "release", f"--id={self.lock}", stdin=self.terminal())
        self.assertNotIn("UInt32(1", "".join(self.questions()))


if __name__ == "__main__":
    harness.main()
