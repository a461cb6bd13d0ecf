# SPDX-License-Identifier: MIT
"""What counts as the end of a holder, and what does not."""
import os
import signal

import harness
from harness import both_doors, until


@both_doors
class Deaths(harness.Case):
    def test_a_hundred_killed_holders_are_a_hundred_exits_each_told_once(self):
        locks = {}
        for number in range(100):
            place = self.directory(f"project-{number}")
            agent, lock = self.holder(place)
            locks[lock] = (agent, place)
        self.assertEqual(len(self.me.list()), 100)
        self.assertEqual(self.me.get("LockCount"), 100)

        for agent, _ in locks.values():
            agent.kill()
        until(lambda: len(self.me.released()) >= 100, lambda: f"100 releases, had {len(self.me.released())}")

        self.assertEqual(self.me.list(), [])
        self.me.drain()
        released = self.me.released()
        self.assertEqual(sorted(s.id for s in released), sorted(locks))
        for told in released:
            agent, place = locks[told.id]
            self.assertEqual((told.reason, told.directory, told.pid), ("exited", place, agent.pid))
            self.assertEqual(told.lock["id"], told.id)
        self.assertEqual(self.me.counters()["released-exited"], 100)
        self.assertEqual(self.me.get("LockCount"), 0)

    def test_a_zombie_is_dead(self):
        agent, lock = self.holder(self.directory())
        agent.kill()
        self.me.wait_released(lock, "exited")
        self.assertEqual(agent.state(), "Z", "nobody has reaped it: this is what is tested")
        self.assertEqual(self.me.list(), [])

    def test_a_stopped_process_is_alive(self):
        place = self.directory()
        agent, lock = self.holder(place)
        harness.hold(agent)
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        self.refused("Held", self.agent(place).acquire, place)

        agent.kill(signal.SIGCONT)
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])

    def test_exec_keeps_the_lock(self):
        place = self.directory()
        agent, lock = self.holder(place)
        del agent.answers[0]
        agent.order("exec", "self")
        until(lambda: 0 in agent.answers, "the new program's first word")
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)

        # The program that it became may speak for it, being the same process.
        agent.connect()
        self.assertEqual(agent.acquire(place), lock)

        agent.order("exec", "sleep 1000")
        until(lambda: open(f"/proc/{agent.pid}/comm", encoding="utf-8").read() == "sleep\n", "sleep")
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        self.assertEqual(self.me.released(lock), [])
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_a_process_whose_first_thread_ended_is_alive(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.order("shed-leader")
        until(lambda: agent.state() == "Z", "the end of the first thread")
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_a_holder_of_many_loses_all_at_once(self):
        places = [self.directory(f"project-{number}") for number in range(20)]
        agent = self.agent(places[0])
        locks = [agent.acquire(place, follow_cwd=False) for place in places]
        agent.kill()
        for lock in locks:
            self.me.wait_released(lock, "exited")
        self.me.drain()
        self.assertEqual(sorted(s.id for s in self.me.released()), sorted(locks))

    def test_closing_the_connection_is_not_a_death(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.disconnect()
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        # A new connection of the same process is the same holder.
        agent.connect()
        self.assertEqual(agent.acquire(place), lock)

    def test_a_child_that_lives_on_does_not_keep_the_lock(self):
        place = self.directory()
        agent, lock = self.holder(place)
        status, _, _ = agent.spawn("sh -c 'sleep 1000 >/dev/null 2>&1 &'")
        self.assertEqual(status, 0)
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_a_holder_that_was_claimed_for_dies_as_any(self):
        place = self.directory()
        agent = self.agent(place)
        lock = self.me.acquire(place, pid=agent.pid)
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        self.assertEqual(self.me.lock(lock)["acquired-by"], os.getpid())
        agent.kill()
        self.assertEqual(self.me.wait_released(lock, "exited").pid, agent.pid)


if __name__ == "__main__":
    harness.main()
