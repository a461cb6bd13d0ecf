# SPDX-License-Identifier: MIT
"""A lock lives while its holder works there: leaving, coming back, and directories that go away."""
import os
import shutil

import harness
from harness import both_doors, until


@both_doors
class WithinTheGrace(harness.Case):
    config = {"CwdGraceSec": 3600}

    def test_out_and_back_keeps_it(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")

        agent.chdir("/")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "outside")
        self.assertEqual(self.me.lock(lock)["cwd"], "outside")
        self.refused("Held", self.agent(place).acquire, place)

        agent.chdir(place)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "inside")
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")
        self.assertEqual(self.me.released(), [])

    def test_out_and_back_under_another_name_keeps_it(self):
        place = self.directory()
        os.symlink(place, place + "-link")
        agent, lock = self.holder(place)
        agent.chdir("/")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "outside")
        agent.chdir(place + "-link")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "inside")


@both_doors
class BeyondTheGrace(harness.Case):
    def test_staying_out_ends_it(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.chdir("/")
        told = self.me.wait_released(lock, "left")
        self.assertEqual((told.directory, told.pid), (place, agent.pid))
        self.assertEqual(told.lock["cwd"], "outside")
        self.assertEqual(self.me.list(), [])
        self.assertIsNone(agent.process.poll())
        # Free for the next one, and for the same one once it is back.
        other, _ = self.holder(place)
        other.die()
        agent.chdir(place)
        self.assertGreater(agent.acquire(place), lock)

    def test_below_is_inside(self):
        place = self.directory()
        below = self.directory("project/a/b/c")
        agent, lock = self.holder(place)
        agent.chdir(below)
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")
        self.assertEqual(self.me.released(lock), [])

    def test_beside_is_outside_though_its_name_begins_the_same(self):
        place, beside = self.directory("project"), self.directory("project-2")
        agent, lock = self.holder(place)
        agent.chdir(beside)
        self.me.wait_released(lock, "left")

    def test_above_is_outside(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.chdir(os.path.dirname(place))
        self.me.wait_released(lock, "left")

    def test_a_lock_that_does_not_follow_stays(self):
        place = self.directory()
        agent, lock = self.holder(place, follow_cwd=False)
        agent.chdir("/")
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "ignored")
        self.assertFalse(self.me.lock(lock)["follow-cwd"])
        self.assertEqual(self.me.released(lock), [])

    def test_a_lock_that_does_not_follow_can_be_taken_from_outside(self):
        place = self.directory()
        agent = self.agent("/")
        lock = agent.acquire(place, follow_cwd=False)
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)

    def test_a_holder_of_two_leaves_one(self):
        one, two = self.directory("one"), self.directory("one/two")
        agent = self.agent(two)
        lock_one, lock_two = agent.acquire(one), agent.acquire(two)
        agent.chdir(one)
        self.me.wait_released(lock_two, "left")
        self.rounds_pass()
        self.assertEqual(self.me.released(lock_one), [])


@both_doors
class Removed(harness.Case):
    def test_with_the_holder_in_it(self):
        place = self.directory()
        agent, lock = self.holder(place)
        os.rmdir(place)
        told = self.me.wait_released(lock, "removed")
        self.assertEqual((told.directory, told.pid), (place, agent.pid))
        self.assertEqual(self.me.list(), [])

    def test_with_the_holder_below(self):
        place, below = self.directory(), self.directory("project/below")
        agent, lock = self.holder(place)
        agent.chdir(below)
        shutil.rmtree(place)
        self.me.wait_released(lock, "removed")

    def test_of_a_lock_that_does_not_follow(self):
        place = self.directory()
        agent = self.agent("/")
        lock = agent.acquire(place, follow_cwd=False)
        os.rmdir(place)
        self.me.wait_released(lock, "removed")

    def test_of_a_manual_lock(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True)
        os.rmdir(place)
        self.assertEqual(self.me.wait_released(lock, "removed").pid, 0)
        self.assertEqual(self.me.list(), [])

    def test_and_made_again_it_is_another_directory(self):
        place = self.directory()
        agent, lock = self.holder(place)
        os.rmdir(place)
        self.directory()
        self.me.wait_released(lock, "removed")
        _, new = self.holder(place)
        self.assertGreater(new, lock)
        self.assertNotEqual(agent.pid, self.me.lock(new)["pid"])

    def test_together_with_its_parent(self):
        place = self.directory("parent/project")
        _, lock = self.holder(place)
        shutil.rmtree(os.path.dirname(place))
        self.me.wait_released(lock, "removed")


@both_doors
class Leaderless(harness.Case):
    """Its first thread has ended and others go on: /proc/PID/cwd, root and ns/mnt tell nothing any more."""

    def leaderless(self, cwd):
        agent = self.agent(cwd, arguments=["--leaderless"])
        until(lambda: agent.state() == "Z", "the end of its first thread")
        self.assertRaises(FileNotFoundError, os.readlink, f"/proc/{agent.pid}/cwd")
        return agent

    def test_it_locks_for_itself(self):
        place = self.directory()
        agent = self.leaderless(place)
        lock = agent.acquire(place)
        self.assertEqual((self.me.lock(lock)["pid"], self.me.lock(lock)["cwd"]), (agent.pid, "inside"))
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")
        agent.chdir("/")
        self.me.wait_released(lock, "left")
        self.refused("NotInDirectory", agent.acquire, place)

    def test_it_is_locked_for(self):
        place, below = self.directory(), self.directory("project/below")
        agent = self.leaderless(below)
        lock = self.me.acquire(place, pid=agent.pid)
        agent.chdir("/")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "outside")
        agent.chdir(place)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "inside")
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_its_directory_is_removed(self):
        place = self.directory()
        agent = self.leaderless(place)
        lock = agent.acquire(place)
        shutil.rmtree(place)
        self.me.wait_released(lock, "removed")

    def test_it_is_an_occupant(self):
        place, below = self.directory(), self.directory("project/below")
        agent = self.leaderless(below)
        lock = agent.acquire(below)
        for directory in (place, below):
            found = self.me.call("Occupants", directory)[0]
            self.assertEqual([(each["pid"], each["cwd"], each["lock"]) for each in found], [(agent.pid, below, lock)])

    def test_a_zombie_is_none(self):
        place = self.directory()
        agent = self.leaderless(place)
        agent.kill()
        until(lambda: self.me.call("Occupants", place)[0] == [], "its end")
        self.refused("NoSuchProcess", self.me.acquire, place, pid=agent.pid)


if __name__ == "__main__":
    harness.main()
