# SPDX-License-Identifier: MIT
"""Agents that lock, write, verify and leave or get killed, while the service is killed again and again.

    AGENTCTL_LOCKS_TORTURE_KILLS   how often the service is killed; default 25
    AGENTCTL_LOCKS_TORTURE_SEED    to see a failure again (as far as chance was ours)

What must hold: no acknowledged lock is lost, no directory is held by two, every lock that was granted, answered
or not, is told once as acquired and then once as released, by the reason that is true, and none is left at the
end. Once, also when the service is killed as it writes to the bus: src/core/told.h says how it is known.
"""
import collections
import os
import random
import signal
import subprocess
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

import harness
from harness import until

KILLS = int(os.environ.get("AGENTCTL_LOCKS_TORTURE_KILLS", "25"))
SEED = int(os.environ.get("AGENTCTL_LOCKS_TORTURE_SEED", "0")) or random.SystemRandom().getrandbits(31)
AGENTS = 32
DIRECTORIES = 8
AGENT = os.path.join(harness.BUILD, "tests", "integration", "test-torture-agent")


class Lock:
    def __init__(self):
        self.acked_by = None        # pid
        self.directory = None
        self.reasons = None         # for which it may end, once it may
        self.acquired = []          # by which senders that was told
        self.released = []          # (sender, reason)
        self.release_answered = False


class Torture(harness.Case):
    autostart = False
    door = "direct"
    config = {"CwdCheckSec": 0.05, "CwdGraceSec": 0.05}

    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.places = [self.directory(f"place-{number}") for number in range(DIRECTORIES)]
        self.locks = collections.defaultdict(Lock)
        self.living = {}                             # pid → Popen
        self.broken = []
        self.told = 0                                # signals
        self.last_acquired = 0
        self.kills = self.killed_agents = 0
        self.rest = b""
        self.reports, self.report_end = os.pipe()
        self.go_on_end, self.go_on = os.pipe()
        self.addCleanup(os.close, self.reports)
        self.addCleanup(os.close, self.report_end)
        os.set_blocking(self.reports, False)
        # A busy pipe must not hold up an agent for longer than it takes us to come back to it.
        watch = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, self.reports, GLib.IOCondition.IN,
                                      lambda *_: self.read_reports() or True)
        self.addCleanup(GLib.source_remove, watch)
        self.addCleanup(self.end_agents)
        self.listen()

    def end_agents(self):
        for process in self.living.values():
            process.kill()
            process.wait()
        if self.go_on >= 0:
            os.close(self.go_on)
            os.close(self.go_on_end)

    # What the bus hears.

    def listen(self):
        self.monitor = Gio.DBusConnection.new_for_address_sync(
            self.service.address("bus"), Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.monitor.set_exit_on_close(False)
        self.addCleanup(self.monitor.close_sync, None)
        self.monitor.signal_subscribe(None, harness.NAME, None, harness.PATH, None, Gio.DBusSignalFlags.NONE,
                                      self.on_signal)
        self.drain_monitor()

    def drain_monitor(self):
        """Signals come in order with replies."""
        self.monitor.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None,
                               Gio.DBusCallFlags.NONE, -1, None)
        while GLib.MainContext.default().iteration(False):
            pass

    def on_signal(self, _connection, sender, _path, _interface, name, args, *_):
        self.told += 1
        number = args.get_child_value(0).get_uint64()
        lock = self.locks[number]
        if name == "LockAcquired":
            lock.acquired.append(sender)
            if number <= self.last_acquired:
                self.broken.append(f"ids do not grow as they are told: {args}")
            self.last_acquired = max(number, self.last_acquired)
            if lock.released:
                self.broken.append(f"acquired after it was released: {args}")
        elif name == "LockReleased":
            lock.released.append((sender, args.get_child_value(3).get_string()))
            if not lock.acquired:
                self.broken.append(f"released before it was acquired: {args}")
        elif name == "LockChanged" and not lock.acquired:
            self.broken.append(f"changed before it was acquired: {args}")

    # What the agents say.

    def read_reports(self):
        try:
            while data := os.read(self.reports, 1 << 20):
                *lines, self.rest = (self.rest + data).split(b"\n")
                for line in lines:
                    self.take_report(line.decode())
        except BlockingIOError:
            pass

    def take_report(self, line):
        pid, verb, rest = line.split(" ", 2)
        words = rest.split(" ")
        if verb == "broken":
            self.broken.append(line)
            return
        lock = self.locks[int(words[0])]
        if verb == "acked":
            if lock.acked_by is not None:
                self.broken.append(f"acknowledged a second time: {line}")
            lock.acked_by, lock.directory = int(pid), self.places[int(words[1])]
            if int(pid) not in self.living:
                lock.reasons = {"exited"}
        elif verb == "ending":
            lock.reasons = set(words[1:])
        elif verb == "released":
            lock.release_answered = True

    # What happens.

    def start_agent(self):
        door = self.chance.choice(("bus", "peer"))
        address = self.service.address("bus" if door == "bus" else "direct")
        process = subprocess.Popen(
            [AGENT, str(self.chance.getrandbits(31)), address, door, "journal", *self.places],
            stdin=self.go_on_end, stdout=self.report_end, env=self.service.environment, close_fds=True,
            preexec_fn=harness._die_with_parent)
        self.living[process.pid] = process

    def reap(self):
        """Who has ended is replaced."""
        for pid, process in list(self.living.items()):
            if process.poll() is None:
                continue
            self.read_reports()
            del self.living[pid]
            self.is_dead(pid)
            if process.returncode not in (0, -signal.SIGKILL):
                self.broken.append(f"agent {pid} ended with status {process.returncode}")

    def is_dead(self, pid):
        for lock in self.locks.values():
            if lock.acked_by == pid and lock.reasons is None:
                lock.reasons = {"exited"}

    def kill_an_agent(self):
        pid, process = self.chance.choice(list(self.living.items()))
        process.kill()
        self.killed_agents += 1

    def go_on_for(self, seconds):
        end = time.monotonic() + seconds
        tick = GLib.timeout_add(5, lambda: True)
        while time.monotonic() < end:
            GLib.MainContext.default().iteration(True)
            if self.chance.random() < 0.05:
                self.kill_an_agent()
            self.reap()
            while len(self.living) < AGENTS:
                self.start_agent()
        GLib.source_remove(tick)

    def audit(self):
        """Every lock that an agent was told of and has not begun to give up is there."""
        self.service.wait_ready()
        client = self.client()
        self.read_reports()
        acked = [(number, lock) for number, lock in self.locks.items()
                 if lock.acked_by is not None and lock.reasons is None]
        held = {lock["id"]: lock for lock in client.list()}
        self.reap()
        self.read_reports()
        for number, lock in acked:
            if lock.reasons is None and (number not in held or held[number]["pid"] != lock.acked_by
                                         or held[number]["directory"] != lock.directory):
                self.broken.append(f"lock {number} of agent {lock.acked_by} is not in the list: {held}")
        directories = [lock["directory"] for lock in held.values()]
        if len(set(directories)) != len(directories):
            self.broken.append(f"a directory is held by two: {held}")
        self.clients.remove(client)
        client.close()
        return len(acked)

    def test_torture(self):
        audited = 0
        while len(self.living) < AGENTS:
            self.start_agent()
        for number in range(KILLS):
            self.service.process = self.service.launch()
            # Also while it starts.
            self.go_on_for(self.chance.choice((0.03, 0.3, 0.5)) * self.chance.random())
            if number % 3 == 0:
                audited += self.audit()
            self.assertIsNone(self.service.process.poll(), "the service ended by itself")
            self.service.kill()
            self.kills += 1
            if self.broken:
                break
        self.service.start()
        self.go_on_for(0.5)
        # On a slow machine it may have been killed each time before it could do much.
        end = time.monotonic() + harness.LIMIT
        while self.count_acked() <= KILLS and time.monotonic() < end:
            self.go_on_for(0.1)
        self.finish()
        print(f"# seed {SEED}: {self.kills} kills of the service, {self.killed_agents} of agents, "
              f"{len(self.locks)} locks, {audited} of them audited; told twice: "
              f"{len([lock for lock in self.locks.values() if len(lock.acquired) > 1])} as acquired, "
              f"{len([lock for lock in self.locks.values() if len(lock.released) > 1])} as released; "
              f"never told: {len([lock for lock in self.locks.values() if not lock.acquired])} as acquired, "
              f"{len([lock for lock in self.locks.values() if not lock.released])} as released", flush=True)
        self.judge()

    def finish(self):
        os.close(self.go_on)
        os.close(self.go_on_end)
        self.go_on = -1
        until(lambda: self.reap() or not self.living, "the end of all agents")
        client = self.client()
        until(lambda: client.list() == [], "the end of all locks")
        self.assertEqual(client.get("WaiterCount"), 0)
        files = [f"{self.service.runtime}/locks", f"{self.service.state}/claims"]
        until(lambda: not any(os.listdir(folder) for folder in files),
              lambda: f"files that are gone; there are {[os.listdir(folder) for folder in files]}")
        client.close()
        self.clients.remove(client)
        # Another one has nothing to tell.
        self.drain_monitor()
        told = self.told
        self.service.stop()
        self.service.start()
        self.drain_monitor()
        self.assertEqual(self.told, told)

    def judge(self):
        self.read_reports()
        for number, lock in sorted(self.locks.items()):
            what = f"lock {number} of {lock.acked_by}, {lock.reasons}: told {lock.released}"
            if not lock.released:
                self.broken.append(f"its end was never told: {what}")
                continue
            if len(lock.acquired) != 1:
                self.broken.append(f"told as acquired by {lock.acquired}: {what}")
            if len(lock.released) != 1:
                self.broken.append(f"told as released {len(lock.released)} times: {what}")
            reasons = {reason for _, reason in lock.released}
            if len(reasons) != 1 or (lock.reasons is not None and not reasons <= lock.reasons):
                self.broken.append(f"it ended for a wrong reason: {what}")
            if lock.release_answered and reasons != {"released"}:
                self.broken.append(f"Release was answered, and it ended for another reason: {what}")
            if lock.acked_by is None and not reasons <= {"exited", "left"}:
                self.broken.append(f"nobody was told of it, and it did not end by death: {what}")
        self.judge_journals()
        self.assertEqual(self.broken[:20], [], f"seed {SEED}")
        self.assertGreater(self.count_acked(), KILLS)

    def count_acked(self):
        return len([lock for lock in self.locks.values() if lock.acked_by])

    def judge_journals(self):
        """Whoever began has ended before the next one began, or was killed."""
        for place in self.places:
            with open(f"{place}/journal", encoding="ascii") as file:
                lines = [line.split() for line in file]
            for (verb, number, pid), (next_verb, next_number, next_pid) in zip(lines, lines[1:]):
                if verb == "begin":
                    ended = (next_verb, next_number, next_pid) == ("end", number, pid)
                    died = next_verb == "begin" and self.locks[int(number)].reasons == {"exited"}
                    right = ended or died
                else:
                    right = next_verb == "begin"
                if not right:
                    self.broken.append(f"{place}: {verb} {number} {pid}, then {next_verb} {next_number} {next_pid}")
            numbers = [int(number) for verb, number, _ in lines if verb == "begin"]
            if sorted(set(numbers)) != numbers:
                self.broken.append(f"{place}: ids do not grow: {numbers}")


if __name__ == "__main__":
    harness.main()
