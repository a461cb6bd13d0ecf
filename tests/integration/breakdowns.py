# SPDX-License-Identifier: MIT
"""What a service meets in its life and must not lose a lock over: a bus that goes, hangs and comes back; stops
and new configurations; no descriptors left; disks that are full or cannot be written; reboots; and files that
somebody else has left in its folders."""
import json
import os
import signal
import subprocess
import time

import harness
from harness import until


class Bus(harness.Case):
    """Agents and a listener on the bus, and somebody on the direct socket."""

    autostart = False
    door = "direct"

    def start(self):
        self.service.start()
        self.me = self.client()

    def new_bus(self):
        self.service.stop_bus()
        self.service.start_bus()
        until(self.service.owns_name, "the name on the new bus")

    def test_again_and_again(self):
        self.start()
        place = self.directory()
        agent = self.agent(place, door="bus")
        lock = agent.acquire(place)
        for _ in range(5):
            self.new_bus()
            self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
            # Known by another name on another bus, and the same process.
            agent.connect()
            self.assertEqual(agent.acquire(place), lock)
        self.assertEqual(agent.release(place), 1)
        self.me.wait_released(lock, "released")
        self.assertEqual([signal.id for signal in self.me.released()], [lock])

    def test_who_waits_on_the_bus_and_who_waits_on_the_socket(self):
        self.start()
        place = self.directory()
        holder, lock = self.holder(place)
        lost, kept = self.agent(place, door="bus"), self.agent(place)
        lost.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the first waiter")
        waiting = kept.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 2, "the second waiter")
        self.service.stop_bus()
        until(lambda: self.me.get("WaiterCount") == 1, "the waiter's end, with its connection")
        holder.release(id=lock)
        self.assertEqual(self.me.lock(waiting.value()[0])["pid"], kept.pid)

    def test_a_bus_that_hangs(self):
        self.start()
        place = self.directory()
        on_bus = self.agent(place, door="bus")
        lock = on_bus.acquire(place)
        harness.hold(self.service.bus)
        other = self.agent(place)
        self.refused("Held", other.acquire, place)
        on_bus.die()
        self.me.wait_released(lock, "exited")
        own = other.acquire(place)
        self.service.bus.send_signal(signal.SIGCONT)
        listener = self.client("bus")
        self.assertEqual([held["id"] for held in listener.list()], [own])

    def listener(self):
        """On the bus before the service is."""
        self.heard = []
        connection = harness.Gio.DBusConnection.new_for_address_sync(
            self.service.address("bus"), harness.Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | harness.Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        connection.set_exit_on_close(False)
        self.addCleanup(connection.close_sync, None)
        # By name: what is said before the name is ours does not come here.
        connection.signal_subscribe(harness.NAME, harness.NAME, None, harness.PATH, None, 0,
                                    lambda *args: self.heard.append((args[4], args[5].unpack()[0])))
        connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, 0, -1, None)

    def launch_without_answer(self):
        """A service whose bus does not answer it, and which serves all the same."""
        harness.hold(self.service.bus)
        self.service.process = self.service.launch()
        until(lambda: self.service._can_connect("direct"), "the direct socket")
        self.me = self.client()

    def test_what_ends_before_the_bus_answers_is_told_when_it_does(self):
        self.listener()
        self.launch_without_answer()
        place = self.directory()
        agent, lock = self.holder(place)
        agent.release(id=lock)
        _, second = self.holder(place)
        self.assertEqual(self.heard, [])
        self.service.bus.send_signal(signal.SIGCONT)
        until(lambda: ("LockAcquired", second) in self.heard, lambda: f"the signals; heard {self.heard}")
        self.assertEqual(self.heard, [("LockAcquired", lock), ("LockReleased", lock), ("LockAcquired", second)])
        until(lambda: os.listdir(f"{self.service.runtime}/locks") == [f"{second}.json"], "the file's end")

    def test_what_nobody_was_told_of_is_told_by_the_next_one(self):
        self.listener()
        for how in (self.service.kill, self.service.stop):
            with self.subTest(how.__name__):
                self.launch_without_answer()
                place = self.directory()
                agent, lock = self.holder(place)
                agent.release(id=lock)
                how()
                self.service.bus.send_signal(signal.SIGCONT)
                self.service.start()
                until(lambda: ("LockReleased", lock) in self.heard, lambda: f"the end; heard {self.heard}")
                self.assertEqual(self.heard.count(("LockReleased", lock)), 1)
                self.service.stop()


class Signals(harness.Case):
    door = "direct"

    def test_a_stop_releases_nothing_and_tells_waiters(self):
        place = self.directory()
        agent, lock = self.holder(place)
        claim = self.me.acquire(self.directory("claimed"), manual=True)
        waiting = [self.agent(place).begin_acquire(place, conflict="wait") for _ in range(3)]
        until(lambda: self.me.get("WaiterCount") == 3, "the waiters")
        listener = self.client("bus")
        self.service.stop()
        for call in waiting:
            error = self.refused("Unavailable", call.value)
            self.assertIn("stop", error.message)
        self.service.start()
        self.me = self.client()
        self.assertEqual([held["id"] for held in self.me.list()], [lock, claim])
        listener.drain()
        self.assertEqual(listener.released(), [])
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_waiters_ask_again_and_keep_their_order(self):
        for how in (self.service.kill, self.service.stop):
            with self.subTest(how.__name__):
                place = self.directory()
                holder, lock = self.holder(place)
                waiters = [self.agent(place) for _ in range(4)]

                def ask():
                    calls = []
                    for waiter in waiters:
                        calls.append(waiter.begin_acquire(place, conflict="wait"))
                        until(lambda: self.me.get("WaiterCount") == len(calls), "the waiter")
                    return calls
                for call in ask():
                    self.assertFalse(call.done())
                how()
                self.service.start()
                self.me = self.client()
                for waiter in waiters:
                    waiter.connect()
                calls = ask()
                holder.connect()
                holder.release(id=lock)
                got = []
                for waiter, call in zip(waiters, calls):
                    got.append(call.value()[0])
                    self.assertFalse(any(later.done() for later in calls[len(got):]))
                    waiter.release(id=got[-1])
                self.assertEqual(got, sorted(got))

    def reload(self, **config):
        told = self.service.log().count("Reloaded")
        self.service.configure(**config)
        self.service.process.send_signal(signal.SIGHUP)
        until(lambda: self.service.log().count("Reloaded") > told, "the reload")

    def test_a_new_configuration(self):
        place = self.directory()
        self.reload(CwdGraceSec=3600)
        agent, lock = self.holder(place)
        agent.chdir("/")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "outside")
        self.assertEqual(self.me.released(), [])
        self.reload(CwdGraceSec=0.1)
        self.me.wait_released(lock, "left")

        self.reload(MaxLocksPerUser=1)
        agent.chdir(place)
        agent.acquire(place)
        self.refused("LimitExceeded", self.me.acquire, self.directory("more"), manual=True)

    def test_a_broken_configuration_changes_nothing(self):
        self.reload(MaxLocksPerUser=1)
        agent, lock = self.holder(self.directory())
        for broken in ({"CwdGraceSec": "banana"}, {"MaxLocksPerUser": 0}, {"CwdCheckSec": -1}):
            with self.subTest(broken):
                said = self.service.log().count("The configuration stays as it was")
                self.reload(**{"MaxLocksPerUser": 1000, **broken})
                self.assertEqual(self.service.log().count("The configuration stays as it was"), said + 1)
                self.assertIn(next(iter(broken)), self.service.log())
                self.refused("LimitExceeded", self.me.acquire, self.directory("more"), manual=True)
        os.unlink(f"{self.service.root}/config")
        self.service.process.send_signal(signal.SIGHUP)
        until(lambda: "No such file" in self.service.log(), "a word about the file that is gone")
        self.refused("LimitExceeded", self.me.acquire, self.directory("more"), manual=True)
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        self.reload()
        self.me.acquire(self.directory("more"), manual=True)


class Descriptors(harness.Case):
    """From none left at all to one too few, whichever step it is that fails."""

    door = "direct"

    def processor_time(self):
        with open(f"/proc/{self.service.process.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_each_number_too_few(self):
        place, other = self.directory(), self.directory("other")
        _, kept = self.holder(self.directory("kept"))
        self.me.list()  # whoever has called once is known
        granted = 0
        for spare in range(12):
            with self.subTest(spare=spare):
                agent = self.agent(place)
                agent.call("Check", place)
                mortal, doomed = self.holder(other)
                self.service.leave_descriptors(spare)
                lock = error = None
                try:
                    lock = agent.acquire(place)
                    granted += 1
                except harness.Refused as refusal:
                    error = refusal
                # Held stays held, and deaths are noticed.
                held = [lock["id"] for lock in self.me.list()]
                mortal.kill()
                self.me.wait_released(doomed, "exited")
                self.service.leave_descriptors(None)
                self.assertEqual(held, [kept, doomed] + ([lock] if lock is not None else []))
                if error is not None:
                    self.assertEqual(error.name, "Unavailable", error.message)
                if lock is None:
                    lock = agent.acquire(place)
                agent.die()
                self.me.wait_released(lock, "exited")
        self.assertGreater(granted, 0, "it never had enough")
        self.assertLess(granted, 12, "it always had enough")

    def test_connections_wait_and_cost_nothing_meanwhile(self):
        """More connect than there are descriptors: no busy loop, and they are served when there are some."""
        holder, lock = self.holder(self.directory())
        self.me.list()
        self.service.leave_descriptors(0)
        with harness.stream(self.service.socket) as wire:
            wire.send(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
            spent = self.processor_time()
            end = time.monotonic() + 1  # a time to be idle in, not a time to be fast in
            until(lambda: time.monotonic() > end, "a second")
            self.assertLess(self.processor_time() - spent, os.sysconf("SC_CLK_TCK") / 2)
            self.assertEqual([held["id"] for held in self.me.list()], [lock])
            self.service.leave_descriptors(None)
            try:
                answer = wire.line()
            except (AssertionError, ConnectionResetError):
                answer = b""  # it was turned away, and may come again
            self.assertIn(answer[:3], (b"OK ", b""))
        self.client().list()
        holder.kill()
        self.me.wait_released(lock, "exited")

    def test_a_restart_with_too_few(self):
        """Who cannot be watched is kept, unproven, until it can be."""
        holders = [self.holder(self.directory(f"place-{number}")) for number in range(40)]
        self.service.kill()
        launch = self.service.command
        self.service.command = lambda *more: ["prlimit", "--nofile=28:4096", *launch(*more)]
        self.service.arguments.append("--no-bus")
        environment = self.service.environment
        environment["AGENTCTL_LOCKS_DISABLE_PIDFS"] = environment.get("AGENTCTL_LOCKS_DISABLE_PIDFS", "0")
        self.service.start()
        self.me = self.client()
        self.assertEqual([lock["id"] for lock in self.me.list()], [lock for _, lock in holders])
        for agent, lock in holders:
            agent.kill()
        for _, lock in holders:
            self.me.wait_released(lock, "exited")


class Disks(harness.Case):
    """Each folder on a filesystem of its own that fills up or can only be read."""

    door = "direct"
    autostart = False

    def mount(self, path, *options):
        os.makedirs(path, mode=0o700, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,uid={os.geteuid()}," + ",".join(options or ["rw"]),
                        "tmpfs", path], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)

    def remount(self, path, how):
        subprocess.run(["mount", "-o", f"remount,{how}", path], check=True)

    def start(self):
        self.service.start()
        self.me = self.client()

    def folder_of_locks(self, which):
        return f"{self.service.runtime}/locks" if which == "runtime" else f"{self.service.state}/claims"

    def test_read_only(self):
        """Nothing is granted, what is held stays held, deaths are told; all is well once it can be written."""
        for which in ("runtime", "state"):
            with self.subTest(which):
                # (The folders themselves cannot be: the service has a file in one of them open for writing.)
                path = self.folder_of_locks(which)
                self.mount(path)
                self.start()
                place, claimed = self.directory(), self.directory("claimed")
                agent, mortal = self.agent(place), self.agent(place)
                claim = self.me.acquire(claimed, manual=True)
                kept, lock = self.holder(self.directory("kept"))
                mortal_lock = mortal.acquire(place)
                self.remount(path, "ro")
                other = self.agent(place)
                with self.nothing_changes():
                    if which == "runtime":
                        self.refused("Unavailable", self.agent(self.directory("new")).acquire,
                                     self.directory("new"))
                        self.refused("Unavailable", kept.release, id=lock)
                    else:
                        self.refused("Unavailable", self.me.acquire, self.directory("new"), manual=True)
                        self.refused("Unavailable", self.me.release, id=claim)
                    self.refused("Held", other.acquire, place)
                mortal.kill()
                self.me.wait_released(mortal_lock, "exited")
                # Read-only or not: a service that starts now knows what is held.
                self.service.kill()
                self.remount(path, "rw")
                self.start()
                self.assertEqual([held["id"] for held in self.me.list()], [claim, lock])
                agent.connect()
                own = agent.acquire(place)
                agent.release(id=own)
                self.assertEqual(self.me.release(id=claim), 1)
                kept.connect()
                self.assertEqual(kept.release(id=lock), 1)
                self.me.wait_released(lock, "released")
                self.service.stop()

    def test_read_only_and_back_without_a_restart(self):
        path = self.folder_of_locks("runtime")
        self.mount(path)
        self.start()
        place = self.directory()
        agent, lock = self.holder(place)
        self.remount(path, "ro")
        agent.kill()
        self.me.wait_released(lock, "exited")
        second = self.agent(place)
        self.refused("Unavailable", second.acquire, place)
        self.remount(path, "rw")
        own = second.acquire(place)
        # The end that could not be written down is made up for.
        until(lambda: os.listdir(f"{self.service.runtime}/locks") == [f"{own}.json"],
              lambda: f"{os.listdir(f'{self.service.runtime}/locks')}")
        self.service.kill()
        self.start()
        self.assertEqual([held["id"] for held in self.me.list()], [own])

    def fill(self, path):
        with open(f"{path}/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def test_full(self):
        for which in ("runtime", "state"):
            with self.subTest(which):
                path = getattr(self.service, which)
                self.mount(path, "size=256k")
                self.start()
                place = self.directory()
                agent, lock = self.holder(self.directory("kept"))
                claim = self.me.acquire(self.directory("claimed"), manual=True)
                asker = self.agent(place)
                self.fill(path)
                with self.nothing_changes():
                    if which == "runtime":
                        self.refused("Unavailable", asker.acquire, place)
                    else:
                        self.refused("Unavailable", self.me.acquire, place, manual=True)
                self.service.kill()
                self.start()
                self.assertEqual([held["id"] for held in self.me.list()], [lock, claim])
                # An end needs no room.
                self.assertEqual(self.me.release(id=claim), 1)
                agent.kill()
                self.me.wait_released(lock, "exited")
                self.fill(path)
                os.unlink(f"{path}/filler")
                asker.connect()
                own = asker.acquire(place)
                asker.release(id=own)
                self.service.stop()


class Folders(harness.Case):
    """What a new service makes of what it finds."""

    door = "direct"

    def setUp(self):
        super().setUp()
        self.locks, self.claims = f"{self.service.runtime}/locks", f"{self.service.state}/claims"
        self.listener = self.client("bus")

    def again(self):
        self.service.start()
        self.me = self.client()

    def change(self, path, **members):
        with open(path, encoding="ascii") as file:
            content = json.load(file)
        for key, value in members.items():
            content[key.replace("_", "-")] = value(content.get(key.replace("_", "-"))) if callable(value) else value
        with open(path, "w", encoding="ascii") as file:
            json.dump(content, file)
        return content

    def test_what_makes_no_sense_costs_nothing_else(self):
        _, lock = self.holder(self.directory())
        claim = self.me.acquire(self.directory("claimed"), manual=True)
        self.service.kill()
        with open(f"{self.locks}/{lock}.json", encoding="ascii") as file:
            good = file.read()
        strange = {
            "9001.json": "", "9002.json": "\0" * 4096, "9003.json": good[:len(good) // 2],
            "9004.json": json.dumps({**json.loads(good), "version": 99, "id": 9004}), "9005.json": good,
            "9006.json": "[" * 100000, "9007.json": "{}", "hello": "world", "9008.over-banana": good,
            "9009.json": json.dumps({**json.loads(good), "id": 9009, "uid": -1}),
        }
        for folder in (self.locks, self.claims):
            for name, text in strange.items():
                with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                    file.write(text)
            with open(f"{folder}/9010.json.tmp", "w", encoding="ascii") as file:
                file.write(good[:100])
            os.mkdir(f"{folder}/9011.json")
            os.symlink("/etc/passwd", f"{folder}/9012.json")
            os.mkfifo(f"{folder}/9013.json")
        self.again()
        self.assertEqual([held["id"] for held in self.me.list()], [lock, claim])
        log = self.service.log()
        for name in [*strange, "9011.json", "9012.json", "9013.json"]:
            for folder in (self.locks, self.claims):
                self.assertTrue(os.path.lexists(f"{folder}/{name}.bad"), f"{folder}/{name}: {os.listdir(folder)}")
                self.assertFalse(os.path.lexists(f"{folder}/{name}"), name)
            self.assertIn(name, log)
        self.assertFalse(os.path.exists(f"{self.locks}/9010.json.tmp"))
        with open(f"{self.locks}/9003.json.bad", encoding="ascii") as file:
            self.assertEqual(file.read(), good[:len(good) // 2])
        self.listener.drain()
        self.assertEqual(self.listener.released(), [])
        # Ids of what could not be read are not given out again either.
        self.assertGreater(self.me.acquire(self.directory("next"), manual=True), 9013)

    def test_another_pid_namespace(self):
        """Its processes cannot be told from here: kept, and unknown, until somebody entitled ends it."""
        agent, lock = self.holder(self.directory())
        self.service.kill()
        self.change(f"{self.locks}/{lock}.json", world=lambda world: world.rpartition("/")[0] + "/1")
        agent.die()
        self.again()
        self.assertEqual(self.me.lock(lock)["cwd"], "unknown")
        self.assertIn("another PID namespace", self.service.log())
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "unknown")
        self.refused("Held", self.agent(self.directory()).acquire, self.directory())
        self.service.kill()
        self.again()
        self.assertEqual(self.me.lock(lock)["cwd"], "unknown")
        self.assertEqual(self.me.release(id=lock, force=True), 1)
        self.listener.wait_released(lock, "forced")

    def test_a_reboot(self):
        """The processes are dead for certain; claims stay, and their time has gone on."""
        agent, lock = self.holder(self.directory())
        free, own = self.holder(self.directory("second"), follow_cwd=False)
        claim = self.me.acquire(self.directory("claimed"), manual=True)
        long = self.me.acquire(self.directory("long"), manual=True, ttl=3600)
        over = self.me.acquire(self.directory("over"), manual=True, ttl=3600)
        before = {held["id"]: held for held in self.me.list()}
        self.service.stop()

        def other_boot(world):
            boot, _, namespace = world.rpartition("/")
            return f"{boot[:-4]}{'0000' if boot[-4:] != '0000' else '1111'}/{namespace}"
        for folder in (self.locks, self.claims):
            for name in os.listdir(folder):
                self.change(f"{folder}/{name}", world=other_boot)
        content = self.change(f"{self.claims}/{over}.json", expires_at=lambda at: at - 7200 * 1000000)
        self.assertLess(content["expires-at"], time.time() * 1000000)
        self.again()
        self.listener.wait_released(lock, "exited")
        self.listener.wait_released(own, "exited")
        self.listener.wait_released(over, "expired")
        self.assertEqual({held["id"]: held for held in self.me.list()}, {claim: before[claim], long: before[long]})
        # Though the very processes are alive: what a process was in another boot it is not in this one.
        agent.connect()
        self.assertGreater(agent.acquire(self.directory()), over)
        self.assertIsNone(free.process.poll())

    def test_files_that_vanish_under_it(self):
        """Somebody cleans up: what is held is held all the same, and ends as it should."""
        agent, lock = self.holder(self.directory())
        os.unlink(f"{self.locks}/{lock}.json")
        self.refused("Held", self.agent(self.directory()).acquire, self.directory())
        agent.release(id=lock)
        self.listener.wait_released(lock, "released")
        until(lambda: os.listdir(self.locks) == [], "the end of its file")


if __name__ == "__main__":
    harness.have_mounts_of_our_own()
    harness.main()
