# SPDX-License-Identifier: MIT
"""Disks that are full, descriptors that have run out, system calls that fail, a daemon killed between two
steps: nothing is granted that could be lost, nothing that is held is lost, every end is told, and all is well
again when the cause is gone. The calls are made to fail by tests/faults/shim.h in the daemon."""
import itertools
import os
import signal
import subprocess

import harness
from harness import until

SHIM = os.path.join(harness.BUILD, "tests", "faults", "libagl-faults.so")

# The steps of writing a file, each failing.
SAVES = ("openat *.json.tmp * EMFILE", "openat *.json.tmp * ENOSPC", "openat *.json.tmp * EROFS",
         "write *.json.tmp * ENOSPC", "write *.json.tmp 1 short;write *.json.tmp 2 ENOSPC",
         "close *.json.tmp * EDQUOT", "renameat *.json * EIO", "renameat *.json * ENOSPC")
# Those of a manual lock besides.
DURABLE_SAVES = ("fsync *.json.tmp * EIO", "fsync */claims * EIO", "fsync */claims * ENOSPC")
# Those of reserving the next ids.
IDS = ("openat *last-id.tmp * EMFILE", "write *last-id.tmp * ENOSPC", "fsync *last-id.tmp * EIO",
       "renameat *last-id * EIO", "fsync */state * EIO")


class Case(harness.Case):
    """A service whose system calls fail as break_ says, until mend."""

    autostart = False

    def setUp(self):
        super().setUp()
        self.rules = f"{self.service.root}/faults"
        launch = self.service.launch
        faults = {"LD_PRELOAD": SHIM, "AGENTCTL_LOCKS_FAULTS_FILE": self.rules,
                  "AGENTCTL_LOCKS_FAULTS_LOG": f"{self.service.root}/failed"}
        if "ASAN_OPTIONS" in self.service.environment:
            faults["ASAN_OPTIONS"] = self.service.environment["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        self.service.launch = lambda *more, environment=None, command=None: launch(
            *more, environment={**(environment or self.service.environment), **faults}, command=command)
        self.start()

    def start(self):
        self.service.start()
        self.me = self.client()

    def break_(self, rules):
        with open(f"{self.rules}.new", "w", encoding="ascii") as file:
            file.write(rules.replace(";", "\n") + "\n")
        os.rename(f"{self.rules}.new", self.rules)
        with open(f"{self.service.root}/failed", "w", encoding="utf-8"):
            pass

    def mend(self):
        os.unlink(self.rules)

    def failures(self):
        with open(f"{self.service.root}/failed", encoding="utf-8") as file:
            return file.read().splitlines()

    def files(self):
        """What stands on disk of locks."""
        return sorted(name for folder in (f"{self.service.runtime}/locks", f"{self.service.state}/claims")
                      for name in os.listdir(folder))

    def wait_files(self, *names):
        """An end is announced, and then its file goes."""
        until(lambda: self.files() == sorted(names), lambda: f"{names}; there are {self.files()}")

    def unavailable(self, function, *args, **given):
        error = self.refused("Unavailable", function, *args, **given)
        self.assertNotEqual(self.failures(), [], "nothing failed")
        return error

    def gone(self):
        """The daemon killed itself, as it was told to."""
        process = self.service.process
        until(lambda: process.poll() is not None, "the daemon's end")
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.service.process = None
        self.mend()


class EachStepFails(Case):
    def test_acquire(self):
        place, other = self.directory(), self.directory("other")
        _, held = self.holder(other)
        agent = self.agent(place)
        for rules in SAVES:
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(agent.acquire, place)
                self.assertEqual(self.files(), [f"{held}.json"])
                self.mend()
                lock = agent.acquire(place)
                self.assertEqual(agent.release(id=lock), 1)
                self.wait_files(f"{held}.json")
        self.assertEqual([lock["id"] for lock in self.me.list()], [held])

    def test_claim(self):
        place = self.directory()
        for rules in SAVES + DURABLE_SAVES:
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(self.me.acquire, place, manual=True)
                self.assertEqual(self.files(), [])
                self.mend()
                self.assertEqual(self.me.release(id=self.me.acquire(place, manual=True)), 1)
                self.wait_files()

    def test_ids(self):
        place = self.directory()
        agent = self.agent(place)
        last = 0
        for rules in IDS:
            with self.subTest(rules):
                self.service.kill()  # what was reserved is gone with it
                self.break_(rules)
                self.start()
                agent.connect()
                with self.nothing_changes():
                    self.unavailable(agent.acquire, place)
                self.mend()
                lock = agent.acquire(place)
                self.assertGreater(lock, last)
                last = lock
                agent.release(id=lock)

    def test_convert(self):
        place = self.directory()
        agent, lock = self.holder(place, shared=True)
        for rules in SAVES:
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(agent.acquire, place)
                self.mend()
                self.assertTrue(self.me.lock(lock)["shared"])
        self.assertEqual(agent.acquire(place), lock)
        self.assertFalse(self.me.lock(lock)["shared"])

    def test_steal(self):
        place = self.directory()
        _, lock = self.holder(place)
        thief = self.agent(place)
        for rules in SAVES:
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(thief.acquire, place, conflict="steal")
                self.mend()
        stolen = thief.acquire(place, conflict="steal")
        self.me.wait_released(lock, "stolen")
        self.wait_files(f"{stolen}.json")

    def test_transfer(self):
        place = self.directory()
        agent, lock = self.holder(place)
        heir = self.agent(place)
        for rules in SAVES:
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(agent.call, "Transfer", lock, harness.options(pid=heir.pid))
                self.mend()
        agent.call("Transfer", lock, harness.options(pid=heir.pid))
        self.assertEqual(self.me.lock(lock)["pid"], heir.pid)

    def test_waiter_whose_turn_cannot_be_kept(self):
        place = self.directory()
        first, lock = self.holder(place)
        second = self.agent(place)
        waiting = second.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the waiter")
        self.break_("write *.json.tmp * ENOSPC")
        first.release(id=lock)
        self.refused("Unavailable", waiting.value)
        self.mend()
        second.acquire(place)

    def test_release(self):
        place = self.directory()
        agent, lock = self.holder(place)
        other = self.agent(place)
        for rules in ("renameat *.over-released * EIO", "renameat *.over-released * ENOSPC",
                      "renameat *.over-released * EROFS"):
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(agent.release, id=lock)
                    self.refused("Held", other.acquire, place)
                self.mend()
        agent.release(id=lock)
        self.me.wait_released(lock, "released")
        other.acquire(place)
        self.assertEqual(len(self.me.released(lock)), 1)

    def test_release_of_a_claim(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True)
        for rules in ("renameat *.over-released * EIO", "fsync */claims * EIO"):
            with self.subTest(rules):
                self.break_(rules)
                with self.nothing_changes():
                    self.unavailable(self.me.release, id=lock)
                self.mend()
        self.me.release(id=lock)
        self.me.wait_released(lock, "released")

    def test_death(self):
        """A death is proven, whatever the disk says: told once, and the file follows when it can."""
        place = self.directory()
        agent, lock = self.holder(place)
        self.break_("renameat *.over-* * EIO")
        agent.die()
        self.me.wait_released(lock, "exited")
        until(self.failures, "a failure")
        self.mend()
        self.wait_files()
        self.service.stop()
        self.start()
        self.me.drain()
        self.assertEqual(self.me.released(), [])

    def test_removal_is_made_up_for(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.break_("unlinkat *.over-* * EIO")
        agent.release(id=lock)
        self.me.wait_released(lock, "released")
        until(self.failures, "a failure")
        self.mend()
        second = agent.acquire(place)
        self.wait_files(f"{second}.json")

    def test_watching_for_death(self):
        """Who cannot be watched is not granted anything."""
        place = self.directory()
        agent = self.agent(place)
        self.break_("epoll_ctl * * ENOSPC")
        with self.nothing_changes():
            self.unavailable(agent.acquire, place)
        self.mend()
        lock = agent.acquire(place)
        agent.kill()
        self.me.wait_released(lock, "exited")


class Preempted(Case):
    """The main thread has looked for what there is to do, and others run before it does it: what happens meanwhile it
    has not seen, but what is asked meanwhile it comes to."""

    config = {"CwdCheckSec": 0.01}

    def test_who_saw_a_death_and_asks_is_answered_as_one_who_knows(self):
        place = self.directory()
        self.break_("poll * * late")
        for _ in range(30):
            holder, _ = self.holder(place)
            holder.die()
            self.assertEqual(self.me.check(place), (True, []))
        self.mend()


class KilledAtEachStep(Case):
    """kill: instead of the call; kill-after: as soon as it has worked."""

    def killed(self, function, *args, **given):
        try:
            function(*args, **given)
        except (harness.Refused, harness.GLib.Error):
            pass
        self.gone()

    def test_acquire(self):
        place = self.directory()
        agent = self.agent(place)
        for step, held in (("openat *.json.tmp 1 kill", False), ("openat *.json.tmp 1 kill-after", False),
                           ("write *.json.tmp 1 kill", False), ("write *.json.tmp 1 kill-after", False),
                           ("close *.json.tmp 1 kill-after", False), ("renameat *.json 1 kill", False),
                           ("renameat *.json 1 kill-after", True)):
            with self.subTest(step):
                self.break_(step)
                self.killed(agent.acquire, place)
                self.start()
                agent.connect()
                self.assertEqual([lock["pid"] for lock in self.me.list()], [agent.pid] if held else [])
                lock = agent.acquire(place)
                agent.release(id=lock)
                self.me.wait_released(lock, "released")
                self.wait_files()

    def test_release(self):
        place = self.directory()
        agent = self.agent(place)
        for step, held in (("renameat *.over-released 1 kill", True), ("renameat *.over-released 1 kill-after", False)):
            with self.subTest(step):
                lock = agent.acquire(place)
                self.break_(step)
                self.killed(agent.release, id=lock)
                self.start()
                agent.connect()
                self.assertEqual([lock["id"] for lock in self.me.list()], [lock] if held else [])
                if held:
                    agent.release(id=lock)
                    self.me.wait_released(lock, "released")
                self.wait_files()

    def test_steal(self):
        place = self.directory()
        agent, thief = self.agent(place), self.agent(place)
        for step, worked in (("renameat */[0-9]*.json 1 kill", False), ("renameat */[0-9]*.json 1 kill-after", True),
                             ("renameat *.over-stolen 1 kill", True), ("renameat *.over-stolen 1 kill-after", True)):
            with self.subTest(step):
                lock = agent.acquire(place)
                self.break_(step)
                self.killed(thief.acquire, place, conflict="steal")
                self.start()
                agent.connect()
                thief.connect()
                self.assertEqual([lock["pid"] for lock in self.me.list()], [thief.pid if worked else agent.pid])
                (thief if worked else agent).release(place)
                self.wait_files()


class NoDescriptors(Case):
    """None left: RLIMIT_NOFILE is the lowest number that is free."""

    config = {"CwdCheckSec": 3600}  # a round takes one for a moment, and finds out nothing where there is none

    def test_acquire_and_release(self):
        place = self.directory()
        holder, held = self.holder(self.directory("other"))
        agent = self.agent(place)
        self.me.list()  # whoever has called once is known
        agent.call("Check", place)
        self.service.leave_descriptors(0)
        with self.nothing_changes():
            self.refused("Unavailable", agent.acquire, place)
        self.assertEqual(holder.release(id=held), 1)
        self.me.wait_released(held, "released")
        self.service.leave_descriptors(None)
        lock = agent.acquire(place)
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_a_first_call(self):
        """Who it is cannot be told now, which makes nobody dead for good."""
        place = self.directory()
        agent = self.agent(place, door="direct")
        self.me.list()
        self.service.leave_descriptors(0)
        with self.nothing_changes():
            self.refused("Unavailable", agent.acquire, place)
        self.service.leave_descriptors(None)
        self.assertEqual(self.me.lock(agent.acquire(place))["pid"], agent.pid)

    def test_a_connection_that_takes_the_last_one(self):
        place = self.directory()
        agent = self.agent(place, connect=False)
        self.service.leave_descriptors(1)
        with self.assertRaises(harness.Refused):
            agent.connect(0, "direct")
        self.service.leave_descriptors(None)
        agent.connect(0, "direct")
        self.assertEqual(self.me.lock(agent.acquire(place))["pid"], agent.pid)

    def test_stop(self):
        _, held = self.holder(self.directory())
        self.service.leave_descriptors(0)
        self.service.stop()
        self.start()
        self.assertEqual([lock["id"] for lock in self.me.list()], [held])


class RoundsWithoutDescriptors(Case):
    def test_not_knowing_changes_nothing(self):
        agent, held = self.holder(self.directory())
        below = itertools.cycle((self.directory("project/one"), self.directory("project/two")))

        def cwd():
            locks = self.me.list()
            self.assertEqual([lock["id"] for lock in locks], [held])
            return locks[0]["cwd"]

        self.assertEqual(cwd(), "inside")

        def unknown():
            self.service.leave_descriptors(0)  # each time anew: a round may have had one at the moment before
            agent.chdir(next(below))  # or else a round sees that nothing has changed, which takes none
            return cwd() == "unknown"

        until(unknown, "a round that finds out nothing")
        agent.chdir("/")
        self.assertEqual(cwd(), "unknown")
        self.service.leave_descriptors(None)
        self.me.wait_released(held, "left")


class SmallDisk(Case):
    """Really full: both folders on a tmpfs of a few pages."""

    def setUp(self):
        self.mounted = []
        super().setUp()

    def start(self):
        if not self.mounted:
            for path in (self.service.runtime, self.service.state):
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64k,mode=0700,uid={os.geteuid()}", "tmpfs", path],
                               check=True)
                self.mounted.append(path)
                self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        super().start()

    def test_full(self):
        agents, locks = [], []
        full = None
        while full is None:
            place = self.directory(f"p{len(agents)}")
            agents.append(self.agent(place))
            try:
                locks.append(agents[-1].acquire(place))
            except harness.Refused as error:
                full = error
        self.assertEqual(full.name, "Unavailable", full.message)
        self.assertIn("No space left", full.message)
        self.assertGreater(len(locks), 3)
        self.assertEqual([lock["id"] for lock in self.me.list()], locks)

        # What is held stays held, by a new daemon too: the disk is as full as before.
        self.service.kill()
        self.start()
        self.assertEqual([lock["id"] for lock in self.me.list()], locks)

        # Releasing needs no room and makes some.
        for agent, lock in zip(agents[:2], locks):
            agent.connect()
            agent.release(id=lock)
            self.me.wait_released(lock, "released")
        agents[-1].connect()
        agents[-1].acquire(self.directory(f"p{len(agents) - 1}"))


if __name__ == "__main__":
    harness.have_mounts_of_our_own()
    harness.main()
