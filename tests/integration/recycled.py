# SPDX-License-Identifier: MIT
"""Numbers that come back: a holder dies, and another process gets its PID. In a PID namespace of our own, where
we may choose the numbers. Each test runs twice: with tokens from pidfs, and with start times alone."""
import os
import signal
import sys

import harness
from harness import until


class Successor(harness.Agent):
    """An agent with a number of our choice."""

    def __init__(self, case, cwd, pid):
        self.number = pid
        super().__init__(case, cwd, program=os.path.join(harness.BUILD, "tests", "integration", "test-with-pid"),
                         arguments=[str(pid), os.path.join(harness.BUILD, "tests", "integration", "test-agent")],
                         connect=False)
        self.process.wait()
        case.assertEqual(self.process.returncode, 0, "its number is taken")
        self.pid = pid
        case.addCleanup(self.reap_by_number)

    def die(self):
        self.kill()
        os.waitpid(self.pid, 0)
        self.number = 0

    def reap_by_number(self):
        if self.number != 0:
            os.kill(self.number, signal.SIGKILL)
            os.waitpid(self.number, 0)


class Recycled(harness.Case):
    door = "direct"
    pidfs = True

    def setUp(self):
        self.autostart = False
        super().setUp()
        if not self.pidfs:
            self.service.environment["AGENTCTL_LOCKS_DISABLE_PIDFS"] = "1"
        self.service.start()
        self.me = self.client()
        self.listener = self.client("bus")
        self.place = self.directory()

    def token(self, lock):
        with open(f"{self.service.runtime}/locks/{lock}.json", encoding="ascii") as file:
            return harness.objects_of(file.read())["holder"]["token"]

    def start_time(self, pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]

    def recycle(self, agent, cwd=None):
        """Another process under the number of that agent, which dies; started in another tick of the clock, as
        the rest of the number space stands between a number and its next use."""
        started = self.start_time(agent.pid)
        agent.die()

        def again():
            successor = Successor(self, cwd or self.place, agent.pid)
            if self.start_time(agent.pid) != started:
                return successor
            successor.die()
            return None
        return until(again, "a successor of another time")

    def only_held_by(self, lock, agent):
        self.assertEqual([(held["id"], held["pid"]) for held in self.me.list()], [(lock, agent.pid)])

    def test_tokens_are_what_is_to_be_tested(self):
        agent, lock = self.holder(self.place)
        self.assertEqual(self.token(lock).split(":")[0], "pidfs" if self.pidfs else "start", self.token(lock))
        self.assertIsNotNone(agent.state())

    def test_while_the_service_was_down(self):
        for how in (self.service.kill, self.service.stop):
            with self.subTest(how.__name__):
                agent, lock = self.holder(self.place, follow_cwd=how == self.service.kill)
                how()
                successor = self.recycle(agent)
                self.service.start()
                self.me = self.client()
                self.listener.wait_released(lock, "exited")
                self.assertEqual(self.me.list(), [])
                # It has no part in what was its predecessor's, and may lock for itself.
                successor.connect()
                self.refused("NotFound", successor.release, id=lock)
                own = successor.acquire(self.place)
                self.assertGreater(own, lock)
                self.only_held_by(own, successor)
                successor.die()
                self.listener.wait_released(own, "exited")
                self.assertEqual(len(self.listener.released(lock)), 1)

    def test_the_same_process_goes_on(self):
        """What is compared is not that anything changed."""
        agent, lock = self.holder(self.place)
        self.service.kill()
        self.service.start()
        self.me = self.client()
        self.only_held_by(lock, agent)

    def test_under_its_eyes(self):
        """Died, reaped and replaced while the service could not look."""
        agent, lock = self.holder(self.place)
        harness.hold(self.service.process)
        # It asks, and so stands in the same turn as the death.
        started = self.start_time(agent.pid)
        agent.die()
        successor = Successor(self, self.place, agent.pid)
        self.assertIsNotNone(started)
        os.kill(self.service.process.pid, signal.SIGCONT)
        self.me.wait_released(lock, "exited")
        successor.connect()
        own = successor.acquire(self.place)
        self.assertGreater(own, lock)
        self.only_held_by(own, successor)
        successor.die()
        self.me.wait_released(own, "exited")
        self.assertEqual(len(self.me.released(lock)), 1)

    def test_a_waiter(self):
        """The holder-to-be dies; its number's next owner does not inherit its place in the queue."""
        first, lock = self.holder(self.place)
        second = self.agent(self.place)
        asker = self.agent(self.place)
        waiting = asker.begin_acquire(self.place, pid=second.pid, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the waiter")
        harness.hold(self.service.process)
        second.die()
        Successor(self, self.place, second.pid)
        os.kill(self.service.process.pid, signal.SIGCONT)
        self.refused("NoSuchProcess", waiting.value)
        first.release(id=lock)
        self.assertEqual(self.me.list(), [])

    def test_a_number_that_names_another_by_now(self):
        """pid says which process has that number now: it, and not who had it, is held for."""
        agent, lock = self.holder(self.place)
        asker = self.agent(self.place)
        successor = self.recycle(agent)
        self.me.wait_released(lock, "exited")
        own = asker.acquire(self.place, pid=successor.pid)
        self.only_held_by(own, successor)
        self.refused("NotFound", asker.release, id=lock)
        self.assertEqual([held["id"] for held in self.me.list(pid=agent.pid)], [own])
        successor.die()
        self.me.wait_released(own, "exited")

    def test_an_acquirer(self):
        """Who acquired it for another may release it; who got the acquirer's number may not."""
        keeper = self.agent(self.place)
        acquirer = self.agent(self.place)
        lock = acquirer.acquire(self.place, pid=keeper.pid)
        for restart in (False, True):
            if restart:
                self.service.kill()
                self.service.start()
                self.me = self.client()
            successor = self.recycle(acquirer) if not restart else successor
            successor.connect()
            self.refused("HolderAlive", successor.release, id=lock)
        self.only_held_by(lock, keeper)

    def test_a_pidfd_of_the_dead(self):
        agent = self.agent(self.place)
        asker = self.agent(self.place)
        pidfd = asker.open("pidfd", agent.pid)
        self.recycle(agent)
        self.refused("NoSuchProcess", asker.acquire, self.place,
                     pidfd=harness.GLib.Variant("h", pidfd))
        self.assertEqual(self.me.list(), [])


class RecycledByStartTime(Recycled):
    pidfs = False


def enter_namespace():
    """Becomes the first process of a PID namespace with a /proc of its own."""
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    os.execvp(command[0], [*command, sys.executable, os.path.abspath(__file__), "inside"])


if __name__ == "__main__":
    if sys.argv[1:] != ["inside"]:
        enter_namespace()
    del sys.argv[1:]
    if os.getpid() != 1:
        sys.exit("not in a PID namespace of our own")
    harness.main()
