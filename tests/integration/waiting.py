# SPDX-License-Identifier: MIT
"""Sharing, waiting, stealing, handing over: the lock model as callers meet it. The rules themselves are
tested without a bus in tests/unit/lock-table.c; here is what only real processes and connections can do."""
import os
import signal

from gi.repository import Gio, GLib

import harness
from harness import both_doors, options, until


@both_doors
class Modes(harness.Case):
    def test_shared_beside_shared(self):
        place = self.directory()
        first, lock = self.holder(place, shared=True)
        second = self.agent(place)
        other = second.acquire(place, shared=True)
        self.assertEqual([b["shared"] for b in self.me.list()], [True, True])
        self.refused("Held", self.agent(place).acquire, place)
        first.die()
        self.me.wait_released(lock, "exited")
        self.refused("Held", self.agent(place).acquire, place)
        second.die()
        self.me.wait_released(other, "exited")
        _, exclusive = self.holder(place)
        self.refused("Held", self.agent(place).acquire, place, shared=True)
        self.assertFalse(self.me.lock(exclusive)["shared"])

    def test_subtree(self):
        place, below = self.directory(), self.directory("project/below")
        agent, lock = self.holder(place, subtree=True)
        self.assertTrue(self.me.lock(lock)["subtree"])
        self.refused("Held", self.agent(below).acquire, below)
        self.assertFalse(self.me.check(below)[0])
        agent.die()
        self.me.wait_released(lock, "exited")
        self.holder(below)
        error = self.refused("Held", self.agent(place).acquire, place, subtree=True)
        self.assertIn(below, error.message)
        self.holder(place)

    def test_conversion(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.assertEqual(agent.acquire(place, shared=True), lock)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("shared") is True)
        second = self.agent(place)
        other = second.acquire(place, shared=True)
        self.refused("Held", agent.acquire, place)
        self.assertTrue(self.me.lock(lock)["shared"], "refused, it stays what it was")
        second.release(id=other)
        self.assertEqual(agent.acquire(place), lock)
        self.assertFalse(self.me.lock(lock)["shared"])
        self.assertEqual(self.me.get("LockCount"), 1)


@both_doors
class Waiting(harness.Case):
    config = {"MaxWaitersPerUser": 1000}

    def begin_wait(self, agent, place, slot=0, **given):
        """Returns once the service has counted it in, so that the next one comes after it."""
        before = self.me.get("WaiterCount")
        pending = agent.begin_acquire(place, slot=slot, conflict="wait", **given)
        until(lambda: pending.done() or self.me.get("WaiterCount") == before + 1, f"{agent} in the queue")
        self.assertFalse(pending.done())
        return pending

    def test_its_turn_comes(self):
        place = self.directory()
        first, lock = self.holder(place)
        second = self.agent(place)
        pending = self.begin_wait(second, place)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("waiters") == 1)
        self.assertEqual(self.me.lock(lock)["waiters"], 1)
        first.kill()
        mine = pending.value()[0]
        self.assertEqual(self.me.lock(mine)["pid"], second.pid)
        self.me.wait_signal("LockAcquired", mine)
        order = [(s.name, s.id) for s in self.me.signals if s.name != "LockChanged"]
        self.assertEqual(order, [("LockAcquired", lock), ("LockReleased", lock), ("LockAcquired", mine)])
        self.assertEqual(self.me.get("WaiterCount"), 0)
        self.assertEqual(self.me.counters()["waited"], 1)

    def test_who_does_not_wait_does_not_overtake(self):
        place = self.directory()
        first, _ = self.holder(place, shared=True)
        self.begin_wait(self.agent(place), place)
        self.refused("Held", self.agent(place).acquire, place, shared=True)
        free, blockers = self.me.check(place)
        self.assertFalse(free)
        self.assertEqual([b["pid"] for b in blockers], [first.pid])

    def test_two_hundred_in_order_while_a_third_gives_up(self):
        place = self.directory()
        first, _ = self.holder(place)
        waiters = []
        for number in range(200):
            agent = self.agent(place)
            waiters.append((agent, self.begin_wait(agent, place, ticket=f"t-{number}")))
        self.assertEqual(self.me.get("WaiterCount"), 200)

        # Every third gives up, each of the three ways in turn, spread over the time in which the others run.
        leaving = [pair for number, pair in enumerate(waiters) if number % 3 == 2]
        staying = [agent for number, (agent, _) in enumerate(waiters) if number % 3 != 2]

        def give_up(position):
            agent, pending = leaving[position]
            if position % 3 == 0:
                agent.kill()
            elif position % 3 == 1:
                agent.disconnect()
            else:
                number = waiters.index((agent, pending))
                self.assertEqual(agent.call("Cancel", f"t-{number}"), (True,))
                self.refused("Cancelled", pending.result)
        for position in range(len(leaving) // 2):
            give_up(position)

        # One LockAcquired after the other: who was granted it on the way out is passed over by its own end.
        served, holder, turns = [], first, 1
        position = len(leaving) // 2
        while len(served) < len(staying):
            if len(served) % 2 == 0 and position < len(leaving):
                give_up(position)
                position += 1
            holder.kill()
            told = until(lambda: [s for s in self.me.signals if s.name == "LockAcquired"][turns:turns + 1],
                         lambda: f"the next of {len(staying) - len(served)}")[0]
            turns += 1
            holder = next(agent for agent, _ in waiters if agent.pid == told.pid)
            if holder in staying:
                served.append(holder)
        self.assertEqual([agent.pid for agent in served], [agent.pid for agent in staying])
        holder.kill()
        until(lambda: self.me.list() == [], "the end of the last")
        self.assertEqual(self.me.get("WaiterCount"), 0)

    def test_a_waiter_that_hangs_up_is_dropped(self):
        place = self.directory()
        first, lock = self.holder(place)
        second, third = self.agent(place), self.agent(place)
        self.begin_wait(second, place)
        pending = self.begin_wait(third, place)
        second.disconnect()
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("waiters") == 1
                            and self.me.get("WaiterCount") == 1)
        first.kill()
        self.assertEqual(self.me.lock(pending.value()[0])["pid"], third.pid)

    def test_a_turn_goes_to_nobody_who_hung_up_before(self):
        """Though the service hears of the death at once, and of what happened on the bus when the bus comes to it."""
        place = self.directory()
        first, lock = self.holder(place)
        second, third = self.agent(place), self.agent(place)
        self.begin_wait(second, place)
        pending = self.begin_wait(third, place)
        witness = self.client("direct")
        harness.hold(self.service.bus)
        second.disconnect()
        first.kill()
        witness.wait_released(lock, "exited")
        self.service.bus.send_signal(signal.SIGCONT)
        mine = pending.value()[0]
        self.assertEqual(witness.wait_signal("LockAcquired").pid, third.pid)
        self.assertEqual(self.me.lock(mine)["waiters"], 0)
        self.assertEqual(self.me.get("WaiterCount"), 0)

    def test_a_waiter_whose_holder_to_be_dies(self):
        place = self.directory()
        self.holder(place)
        child, launcher = self.agent(place), self.agent("/")
        pending = self.begin_wait(launcher, place, pid=child.pid)
        child.kill()
        self.refused("NoSuchProcess", pending.result)
        self.assertEqual(self.me.get("WaiterCount"), 0)

    def test_a_waiter_that_leaves(self):
        place = self.directory()
        self.holder(place)
        second = self.agent(place)
        pending = self.begin_wait(second, place)
        second.chdir("/")
        self.refused("NotInDirectory", pending.result)
        self.assertEqual(self.me.get("WaiterCount"), 0)

    def test_a_directory_that_goes_takes_its_waiters_with_it(self):
        place = self.directory()
        _, lock = self.holder(place)
        claimer, bystander = self.agent("/"), self.agent("/")
        claim = self.begin_wait(claimer, place, manual=True)
        wait = self.begin_wait(bystander, place, follow_cwd=False)
        os.rmdir(place)
        self.me.wait_released(lock, "removed")
        self.refused("InvalidDirectory", claim.result)
        self.refused("InvalidDirectory", wait.result)
        self.assertEqual(self.me.get("WaiterCount"), 0)
        self.assertEqual([s.id for s in self.me.signals if s.name == "LockAcquired"], [lock])

    def test_time_runs_out(self):
        place = self.directory()
        self.holder(place)
        second = self.agent(place)
        error = self.refused("TimedOut", second.acquire, place, conflict="wait", timeout=200)
        self.assertIn(place, error.message)
        self.refused("TimedOut", second.acquire, place, conflict="wait", timeout=0)
        self.assertEqual(self.me.get("WaiterCount"), 0)

    def test_cancel_is_ones_own(self):
        place = self.directory()
        self.holder(place)
        second, stranger = self.agent(place), self.agent(place)
        pending = self.begin_wait(second, place, ticket="mine")
        self.assertEqual(stranger.call("Cancel", "mine"), (False,))
        second.connect(slot=1)
        self.assertEqual(second.call("Cancel", "mine", slot=1), (False,), "another connection, another's ticket")
        self.assertEqual(second.call("Cancel", "other"), (False,))
        self.assertFalse(pending.done())
        self.assertEqual(second.call("Cancel", "mine"), (True,))
        self.refused("Cancelled", pending.result)

    def test_a_ticket_of_two_waits(self):
        places = self.directory("first"), self.directory("second")
        for place in places:
            self.holder(place)
        agent = self.agent("/")
        pending = [self.begin_wait(agent, place, ticket="both", follow_cwd=False) for place in places]
        self.assertEqual(agent.call("Cancel", "both"), (True,))
        for call in pending:
            self.refused("Cancelled", call.result)
        self.assertEqual(agent.call("Cancel", "both"), (False,))

    def test_a_stopped_waiter_gets_its_turn(self):
        place = self.directory()
        first, _ = self.holder(place)
        second = self.agent(place)
        pending = self.begin_wait(second, place)
        harness.hold(second)
        first.kill()
        told = self.me.wait_signal("LockAcquired", where=lambda s: s.pid == second.pid)
        second.kill(signal.SIGCONT)
        self.assertEqual(pending.value()[0], told.id)

    def test_unrelated_directories_go_on(self):
        place = self.directory()
        self.holder(place)
        self.begin_wait(self.agent(place), place)
        for number in range(5):
            self.holder(self.directory(f"project-{number}"))

    def test_the_limit(self):
        self.service.stop()
        self.service.configure(MaxWaitersPerUser=2)
        self.service.start()
        self.me = self.client()
        place = self.directory()
        self.holder(place)
        agents = [self.agent(place) for _ in range(3)]
        for agent in agents[:2]:
            self.begin_wait(agent, place)
        error = self.refused("LimitExceeded", agents[2].acquire, place, conflict="wait")
        self.assertIn("2", error.message)

    def test_a_ring_of_five_is_one_deadlock(self):
        places = [self.directory(f"project-{number}") for number in range(5)]
        agents = [self.agent("/") for _ in places]
        locks = [agent.acquire(place, follow_cwd=False) for agent, place in zip(agents, places)]
        pending = [self.begin_wait(agent, places[number + 1], follow_cwd=False)
                   for number, agent in enumerate(agents[:4])]
        error = self.refused("Deadlock", agents[4].acquire, places[0], conflict="wait", follow_cwd=False)
        self.assertTrue(error.message)
        self.assertEqual([one.done() for one in pending], [False] * 4)
        self.assertEqual([lock["id"] for lock in self.me.list()], locks)
        # It gives its own up, and all get through, one after the other.
        agents[4].release(places[4])
        for number in (3, 2, 1, 0):
            pending[number].value()
            agents[number].kill()
        until(lambda: self.me.list() == [], "the end of all")

    def test_waiting_for_oneself_is_no_deadlock(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.assertEqual(agent.acquire(place, conflict="wait"), lock)


def begin_wait(client, place, pid):
    args = GLib.Variant("(sa{sv})", (place, options(conflict="wait", pid=pid)))
    client.connection.call(client.destination, harness.PATH, harness.NAME, "Acquire", args, None,
                           Gio.DBusCallFlags.NONE, -1, None, None)


class LateService(harness.Case):
    door = "direct"

    def test_who_asked_and_hung_up_gets_nothing_though_the_way_is_free(self):
        """When the service comes to the request the holder is dead, and so nobody has to be waited for."""
        for number in range(1, 6):  # it comes to one before the other, or the other way round
            with self.subTest(number=number):
                place = self.directory(f"place-{number}")
                holder, lock = self.holder(place)
                second, client = self.agent(place, connect=False), harness.Client(self.service.address("direct"), "bus")
                harness.hold(self.service.process)
                begin_wait(client, place, second.pid)
                client.connection.flush_sync(None)
                client.close()
                holder.kill()
                self.service.process.send_signal(signal.SIGCONT)
                self.me.wait_released(lock, "exited")
                until(lambda: self.me.counters()["refused"] == number or self.me.list() != [], "the end of the request")
                self.assertEqual(self.me.list(), [])


class Arrival(harness.Case):
    door = "bus"

    def begin_wait(self, client, place, pid):
        """Returns once the bus has taken the call."""
        begin_wait(client, place, pid)
        client.connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId",
                                    None, None, Gio.DBusCallFlags.NONE, -1, None)

    def test_who_is_known_does_not_overtake_a_stranger(self):
        """The bus is asked who a stranger is, and that takes a moment."""
        place = self.directory()
        self.me.list()
        holder, _ = self.holder(place)
        first, second, third = (self.agent(place, connect=False) for _ in range(3))
        stranger, other = self.client(), self.client()
        harness.hold(self.service.process)
        self.begin_wait(stranger, place, first.pid)
        self.begin_wait(self.me, place, second.pid)
        self.begin_wait(other, place, third.pid)
        self.service.process.send_signal(signal.SIGCONT)
        until(lambda: self.me.get("WaiterCount") == 3, "all three in the queue")
        served = []
        for holder in (holder, first, second):
            holder.kill()
            told = until(lambda: [s for s in self.me.signals if s.name == "LockAcquired"][len(served) + 1:], "the next")
            served.append(told[0].pid)
        self.assertEqual(served, [first.pid, second.pid, third.pid])

    def test_what_was_asked_is_done_though_the_asker_left_behind_a_stranger(self):
        """Who sends a Release need not stay for the answer."""
        place = self.directory()
        known, stranger = self.client(), self.client()
        lock = known.acquire(place, manual=True)
        harness.hold(self.service.process)
        self.begin_wait(stranger, place, os.getpid())
        message = Gio.DBusMessage.new_method_call(known.destination, harness.PATH, harness.NAME, "Release")
        message.set_body(GLib.Variant("(sa{sv})", (place, {})))
        message.set_flags(Gio.DBusMessageFlags.NO_REPLY_EXPECTED)
        known.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)
        known.connection.flush_sync(None)
        known.close()
        self.service.process.send_signal(signal.SIGCONT)
        self.me.wait_released(lock, "released")

    def test_a_stranger_that_is_gone_holds_up_nobody(self):
        place = self.directory()
        holder, _ = self.holder(place)
        first, second = (self.agent(place, connect=False) for _ in range(2))
        stranger = self.client()
        harness.hold(self.service.process)
        self.begin_wait(stranger, place, first.pid)
        stranger.close()
        self.begin_wait(self.me, place, second.pid)
        self.service.process.send_signal(signal.SIGCONT)
        until(lambda: self.me.get("WaiterCount") == 1, "the one that is there")
        holder.kill()
        self.assertEqual(until(lambda: [s for s in self.me.signals if s.name == "LockAcquired"][1:], "the next")[0].pid,
                         second.pid)


@both_doors
class Stealing(harness.Case):
    def test_the_loser_is_told_first(self):
        place = self.directory()
        loser, lock = self.holder(place)
        winner = self.agent(place)
        mine = winner.acquire(place, conflict="steal")
        self.me.wait_signal("LockAcquired", mine)
        self.assertEqual([(s.name, s.id) for s in self.me.signals],
                         [("LockAcquired", lock), ("LockReleased", lock), ("LockAcquired", mine)])
        self.assertEqual(self.me.released(lock)[0].reason, "stolen")
        self.assertEqual([b["pid"] for b in self.me.list()], [winner.pid])
        self.assertIsNone(loser.process.poll())
        self.assertEqual(self.me.counters()["released-stolen"], 1)

    def test_from_many(self):
        place = self.directory()
        locks = [self.holder(place, shared=True)[1] for _ in range(5)]
        self.agent(place).acquire(place, conflict="steal")
        for lock in locks:
            self.me.wait_released(lock, "stolen")
        self.assertEqual(self.me.get("LockCount"), 1)

    def test_where_there_is_nothing_to_steal(self):
        place = self.directory()
        agent = self.agent(place)
        lock = agent.acquire(place, conflict="steal")
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        self.assertEqual(self.me.released(), [])

    def test_a_manual_lock(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True)
        self.agent(place).acquire(place, conflict="steal")
        self.me.wait_released(lock, "stolen")


@both_doors
class Transfer(harness.Case):
    def test_a_launcher_hands_over(self):
        place = self.directory()
        launcher, lock = self.holder(place)
        child = self.agent(place)
        launcher.call("Transfer", lock, options(pid=child.pid))
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("pid") == child.pid)
        launcher.die()
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["pid"], child.pid)
        child.kill()
        self.assertEqual(self.me.wait_released(lock, "exited").pid, child.pid)

    def test_by_pidfd(self):
        place = self.directory()
        launcher, lock = self.holder(place)
        child = self.agent(place)
        launcher.call("Transfer", lock, options(pidfd=launcher.open("pidfd", child.pid)))
        self.assertEqual(self.me.lock(lock)["pid"], child.pid)

    def test_of_a_manual_lock(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True)
        child = self.agent(place)
        self.me.call("Transfer", lock, options(pid=child.pid))
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("kind") == "process"
                            and s.changed.get("pid") == child.pid)
        self.assertEqual((self.me.lock(lock)["kind"], self.me.lock(lock)["pid"]), ("process", child.pid))
        child.kill()
        self.me.wait_released(lock, "exited")

    def test_the_checks_of_acquire(self):
        place = self.directory()
        launcher, lock = self.holder(place)
        outside = self.agent("/")
        gone = self.agent(place)
        gone.die()
        with self.nothing_changes():
            self.refused("NotInDirectory", launcher.call, "Transfer", lock, options(pid=outside.pid))
            self.refused("NoSuchProcess", launcher.call, "Transfer", lock, options(pid=gone.pid))
            self.refused("InvalidOption", launcher.call, "Transfer", lock, {})
            self.refused("NotFound", launcher.call, "Transfer", lock + 1000, options(pid=launcher.pid))
        launcher.call("Transfer", lock, options(pid=outside.pid, follow_cwd=False))
        self.assertEqual((self.me.lock(lock)["pid"], self.me.lock(lock)["cwd"]), (outside.pid, "ignored"))

    def test_not_by_a_stranger(self):
        place = self.directory()
        _, lock = self.holder(place)
        stranger = self.agent(place)
        with self.nothing_changes():
            self.refused("HolderAlive", stranger.call, "Transfer", lock, options(pid=stranger.pid))
        stranger.call("Transfer", lock, options(pid=stranger.pid, force=True))
        self.assertEqual(self.me.lock(lock)["pid"], stranger.pid)


if __name__ == "__main__":
    harness.main()
