# SPDX-License-Identifier: MIT
"""The service kills itself at each step of what it does, one step after the other, and is started again. A
step is a system call that changes something outside of it: a file is made, written, synced, renamed, linked or
removed, or a message is handed to the kernel. After each kill:

    an answered call has happened, an unanswered one has happened wholly or not at all;
    every lock that anybody has heard of was told once as acquired and, when it is over, once as released;
    what is held can be released; ids go on growing; no file is left that means nothing.

The steps are not written down here: each operation is done again and again with a kill at its first, second,
third … call of a kind, until it is done before there is such a call. tests/faults/shim.h does the killing."""
import os
import time

import faults
import harness
from harness import until

# A kill before a call leaves what the call before it left: so "after" is enough, and "before" for the first.
CALLS = ("openat", "write", "fsync", "renameat", "linkat", "unlinkat", "sendmmsg")
# Where there are more steps than this something goes round in circles.
MAX_STEPS = 40
# How long those on the direct sockets have to come back (src/service/broadcast.c).
COMEBACK_SEC = 3


class Case(faults.Case):
    door = "bus"
    calls = CALLS

    def setUp(self):
        super().setUp()
        self.listener = self.client("bus" if self.bus else "direct")
        self.heard = set()
        self.n_kills = 0
        self.rule = None
        self.is_late = False
        self.void = 0

    # The listener's book: what was told of each lock, in order.

    def told(self, lock):
        return [s.name if s.name == "LockAcquired" else s.reason for s in self.listener.signals
                if s.id == lock and s.name != "LockChanged"]

    def check_book(self, held):
        """held: what is. Waits for what is under way; what may not come at all must not be there by then."""
        def ids():
            return {lock for lock in self.heard | {s.id for s in self.listener.signals} if lock > self.void}

        def complete():
            return all(self.told(lock)[:1] == ["LockAcquired"] and (lock in held or len(self.told(lock)) > 1)
                       for lock in ids())
        until(complete, lambda: f"news of all; held {held}, told {[(lock, self.told(lock)) for lock in ids()]}")
        self.listener.drain()
        for lock in ids():
            self.assertEqual(len(self.told(lock)), 1 if lock in held else 2, f"lock {lock}: {self.told(lock)}")
        self.heard = ids()

    def names(self):
        """Everything in the service's folders but its own standing furniture."""
        found = []
        for folder in (self.service.runtime, f"{self.service.runtime}/locks", self.service.state,
                       f"{self.service.state}/claims"):
            found += [name for name in os.listdir(folder)
                      if name not in ("locks", "claims", "instance", "bus", "told", "last-id")]
        return sorted(found)

    def check_files(self, held):
        expected = sorted(f"{lock}.json" for lock in held)
        until(lambda: self.names() == expected, lambda: f"the files {expected}; there are {self.names()}")

    # One kill.

    def attempt(self, operation, rule):
        """Whether it was killed."""
        for _ in range(10):
            killed = self.attempt_once(operation, rule)
            if not self.is_late:
                return killed
            self.forget_it()
        return self.fail("it was never in time")

    def forget_it(self):
        """The rule, or who listens, came when it was too late perhaps, and what was told proves nothing."""
        self.is_late = False
        for lock in self.me.list():
            self.me.release(id=lock["id"], force=True)
        self.void = self.me.acquire(self.directory("next"), manual=True)
        self.me.release(id=self.void)
        self.check_files({})

    def attempt_once(self, operation, rule):
        self.rule = rule
        scene = operation(self)
        self.break_(rule)
        scene.act()
        process = self.service.process
        until(lambda: process.poll() is not None or scene.is_done(), f"the end of it, with {rule}")
        if process.poll() is None:
            # What follows an answer: the signal, and the tombstone's end.
            until(lambda: process.poll() is not None or self.is_quiet(), f"rest after it, with {rule}")
        # The shim notes a kill before it comes.
        self.mend()
        self.is_quiet()
        killed = self.failures() != []
        if killed:
            until(lambda: process.poll() is not None, f"the kill by {rule}")
            self.gone_already()
            self.n_kills += 1
            self.start_again()
        if not self.is_late:
            self.verify(scene)
        return killed

    def is_quiet(self):
        try:
            self.me.drain()
        except (harness.GLib.Error, harness.Refused):
            return False
        return not any(".over-" in name or name.endswith(".tmp") for name in self.names())

    def gone_already(self):
        self.assertEqual(self.service.process.returncode, -9)
        self.service.process = None

    def start_service(self):
        self.service.start()

    def start_again(self):
        self.start_service()
        if self.door == "direct":
            self.me.close()
            self.clients.remove(self.me)
            self.me = self.client()
            for agent in self.agents:
                if not agent.closed and agent.process.poll() is None:
                    agent.connect()

    def verify(self, scene):
        scene.settle()
        held = {lock["id"]: lock for lock in self.me.list()}
        scene.verify(held)
        self.check_book(held)
        temporary = [name for name in self.names() if name.endswith(".tmp") and not name.startswith("last-id")]
        self.assertEqual(temporary, [])
        scene.clean_up(held)
        until(lambda: self.me.list() == [], "the end of all locks")
        # The next id is larger than any that was heard of; and with it a begun reservation is made up for.
        lock = self.me.acquire(self.directory("next"), manual=True)
        self.assertGreater(lock, max(self.heard, default=0))
        self.me.release(id=lock)
        self.check_book({})
        self.check_files({})

    def tearDown(self):
        # Says in the report of a failure where it was.
        print(f"# {self.n_kills} kills, the last rule: {self.rule}", flush=True)
        super().tearDown()

    def steps(self, operation, **at_least):
        counts = self.every_step(operation)
        for call, number in at_least.items():
            self.assertGreaterEqual(counts.get(call, 0), number, counts)

    def every_step(self, operation):
        counts = {}
        for call in self.calls:
            pattern = "socket:*" if call == "sendmmsg" else f"{self.service.root}/*"
            self.attempt(operation, f"{call} {pattern} 1 kill")
            counts[call] = step = missed = 0
            # Files that are gone already may be removed once more, for what went before, and that kills nobody: so the
            # next steps are tried too. It need not happen each time: so these ones are tried again.
            ahead = (1, 2, 3, 4, 1, 2) if call == "unlinkat" else (1,)
            while missed < len(ahead):
                number = step + ahead[missed]
                self.assertLess(number, MAX_STEPS, f"{operation.__name__} has no end of {call}")
                if self.attempt(operation, f"{call} {pattern} {number} kill-after"):
                    counts[call] += 1
                    step, missed = number, 0
                else:
                    missed += 1
        print(f"# {operation.__name__}: {', '.join(f'{n} {call}' for call, n in counts.items() if n > 0)}", flush=True)
        return counts


class Scene:
    """An operation: what comes before it, itself, and what may have become of it."""

    def __init__(self, case):
        self.case = case
        self.place = case.directory()
        self.call = self.answer = None
        self.prepare()

    def prepare(self):
        pass

    def act(self):
        raise NotImplementedError

    def is_done(self):
        return self.call is None or self.call.done() or self.call.agent.closed

    def is_answered(self):
        """Whether the call was answered, and well; then self.answer."""
        try:
            self.answer = self.call.value()
        except harness.Refused as error:
            # The connection's end, not an answer of the service's.
            self.case.assertFalse(error.name[0].isupper() and "." not in error.name, str(error))
            return False
        return True

    def settle(self):
        """Waits for what comes by itself."""

    def verify(self, held):
        raise NotImplementedError

    def clean_up(self, held):
        for lock in held:
            self.case.assertEqual(self.case.me.release(id=lock, force=True), 1)

    def agent(self):
        """One that works there; the agents of a test are used again and again."""
        free = [agent for agent in self.case.agents if agent.process.poll() is None and agent not in self.used()]
        agent = free[0] if free else self.case.agent(self.place)
        self.used().append(agent)
        return agent

    def used(self):
        self.__dict__.setdefault("_used", [])
        return self._used


class Acquire(Scene):
    given = {}

    def prepare(self):
        self.holder = self.agent()

    def act(self):
        self.call = self.holder.begin_acquire(self.place, **self.given)

    def verify(self, held):
        answered = self.is_answered()
        if answered:
            self.case.assertEqual([*held], [self.answer[0]])
        for lock in held.values():
            self.case.assertEqual(lock["directory"], self.place)
            self.verify_lock(lock)

    def verify_lock(self, lock):
        self.case.assertEqual((lock["kind"], lock["pid"]), ("process", self.holder.pid))

    def clean_up(self, held):
        for lock in held:
            self.case.assertEqual(self.holder.release(id=lock), 1)


class FirstAcquire(Acquire):
    """Which reserves ids."""

    def prepare(self):
        super().prepare()
        self.case.service.kill()
        self.case.start_again()


class Claim(Acquire):
    given = {"manual": True}

    def verify_lock(self, lock):
        self.case.assertEqual((lock["kind"], lock["pid"], "expires-at" in lock), ("manual", 0, "ttl" in self.given))
        if "ttl" in self.given:
            self.case.assertEqual(lock["expires-at"] - lock["acquired-at"], self.given["ttl"] * 1000000)


class ClaimForATime(Claim):
    given = {"manual": True, "ttl": 3600}


class Release(Acquire):
    def prepare(self):
        self.holder = self.agent()
        self.lock = self.holder.acquire(self.place, **self.given)

    def act(self):
        self.call = self.holder.begin_call("Release", "", harness.options(id=self.lock))

    def verify(self, held):
        if self.is_answered():
            self.case.assertEqual(self.answer, (1,))
            self.case.assertEqual(held, {})
        for lock in held.values():
            self.case.assertEqual(lock["id"], self.lock)
            self.verify_lock(lock)
        if not held:
            until(lambda: "released" in self.case.told(self.lock), "its end")


class ReleaseOfAClaim(Release):
    given = {"manual": True}

    def verify_lock(self, lock):
        self.case.assertEqual((lock["kind"], lock["pid"]), ("manual", 0))


class Transfer(Scene):
    given = {}

    def prepare(self):
        self.holder, self.heir = self.agent(), self.agent()
        self.lock = self.holder.acquire(self.place, **self.given)

    def act(self):
        self.call = self.holder.begin_call("Transfer", self.lock, harness.options(pid=self.heir.pid))

    def before(self):
        return ("process", self.holder.pid)

    def verify(self, held):
        after = ("process", self.heir.pid)
        self.case.assertEqual([*held], [self.lock])
        now = (held[self.lock]["kind"], held[self.lock]["pid"])
        self.case.assertIn(now, [after] if self.is_answered() else [self.before(), after])
        if now != after:
            return
        # It is the heir's wholly: the giver may go.
        self.holder.die()
        self.case.me.drain()
        self.case.assertIsNotNone(self.case.me.lock(self.lock))

    def clean_up(self, held):
        if held[self.lock]["pid"] == self.heir.pid:
            self.heir.die()
            return
        self.case.me.release(id=self.lock, force=True)


class TransferOfAClaim(Transfer):
    given = {"manual": True}

    def before(self):
        return ("manual", 0)


class Conversion(Scene):
    def prepare(self):
        self.holder = self.agent()
        self.lock = self.holder.acquire(self.place, shared=True, reason="before")

    def act(self):
        self.call = self.holder.begin_acquire(self.place, reason="after")

    def verify(self, held):
        before, after = (True, "before"), (False, "after")
        self.case.assertEqual([*held], [self.lock])
        now = (held[self.lock]["shared"], held[self.lock]["reason"])
        self.case.assertIn(now, [after] if self.is_answered() else [before, after])


class Steal(Scene):
    def prepare(self):
        self.holder, self.thief = self.agent(), self.agent()
        self.lock = self.holder.acquire(self.place)

    def act(self):
        self.call = self.thief.begin_acquire(self.place, conflict="steal")

    def verify(self, held):
        self.case.assertEqual(len(held), 1)
        pids = [lock["pid"] for lock in held.values()]
        self.case.assertIn(pids[0], [self.thief.pid] if self.is_answered() else [self.holder.pid, self.thief.pid])
        if self.lock not in held:
            until(lambda: "stolen" in self.case.told(self.lock), "its end")


class Death(Scene):
    reason = "exited"

    def prepare(self):
        self.holder = self.agent()
        self.lock = self.holder.acquire(self.place)

    def act(self):
        self.holder.die()

    def is_done(self):
        return len(self.case.told(self.lock)) > 1

    def settle(self):
        until(lambda: self.is_done(), "its end")

    def verify(self, held):
        self.case.assertEqual(held, {})
        self.case.assertEqual(self.case.told(self.lock)[-1], self.reason)


class Expiry(Death):
    reason = "expired"

    def prepare(self):
        self.end = time.monotonic() + 1
        self.lock = self.case.me.acquire(self.place, manual=True, ttl=1)

    def act(self):
        # The rule may have come when it was over.
        self.case.is_late = time.monotonic() >= self.end


class OnTheBus(Case):
    def test_acquire(self):
        self.steps(Acquire, openat=1, write=1, renameat=1, sendmmsg=2)

    def test_first_acquire(self):
        self.steps(FirstAcquire, openat=2, write=2, fsync=2, renameat=2, linkat=1, unlinkat=1, sendmmsg=2)

    def test_claim(self):
        self.steps(Claim, openat=1, write=1, fsync=2, renameat=1, sendmmsg=2)

    def test_claim_for_a_time(self):
        self.steps(ClaimForATime, openat=1, write=1, fsync=2, renameat=1, sendmmsg=2)

    def test_release(self):
        self.steps(Release, renameat=1, unlinkat=1, sendmmsg=2)

    def test_release_of_a_claim(self):
        self.steps(ReleaseOfAClaim, renameat=1, fsync=1, unlinkat=1, sendmmsg=2)

    def test_transfer(self):
        self.steps(Transfer, openat=1, write=1, renameat=1, sendmmsg=2)

    def test_transfer_of_a_claim(self):
        self.steps(TransferOfAClaim, openat=1, write=1, renameat=1, unlinkat=1, sendmmsg=2)

    def test_conversion(self):
        self.steps(Conversion, openat=1, write=1, renameat=1, sendmmsg=2)

    def test_steal(self):
        self.steps(Steal, openat=1, write=1, renameat=2, unlinkat=1, sendmmsg=3)

    def test_death(self):
        self.steps(Death, renameat=1, unlinkat=1, sendmmsg=1)

    def test_expiry(self):
        self.steps(Expiry, renameat=1, fsync=1, unlinkat=1, sendmmsg=1)


class OnTheSocket(Case):
    """The callers come by the direct socket and find back to it; the bus hears what there is to hear."""

    door = "direct"
    calls = ("sendmmsg",)

    def test_acquire(self):
        self.steps(Acquire, sendmmsg=2)

    def test_release(self):
        self.steps(Release, sendmmsg=2)

    def test_steal(self):
        self.steps(Steal, sendmmsg=3)

    def test_death(self):
        self.steps(Death, sendmmsg=1)


class WithoutABus(OnTheSocket):
    """Who listens on the direct socket is told when it is back; again, where another had not heard it yet."""

    bus = False
    arguments = ("--no-bus",)

    def start_service(self):
        """The listener is back before anybody else: who takes longer than three seconds has missed it, and is_late."""
        before = self.listener
        # It has read to the end, and heard what it has read.
        until(before.connection.is_closed, "the end of the listener's connection")
        while harness.GLib.MainContext.default().iteration(False):
            pass
        self.clients.remove(before)
        self.launched = time.monotonic()
        self.service.process = self.service.launch()
        self.listener = until(self.connect, "the service")
        self.is_late = time.monotonic() - self.launched >= COMEBACK_SEC
        self.listener.signals[:0] = before.signals
        self.service.wait_ready()

    def connect(self):
        try:
            return self.client()
        except harness.GLib.Error:
            return None

    def test_a_change_soon_after(self):
        """It was killed before it told the grant, which is told with the change now, and says it."""
        place = self.directory()
        agent = self.agent(place)
        agent.release(id=agent.acquire(place))  # so that there are ids
        # A round after the start would find out where the holder is, and tell that: a change that came sooner.
        self.service.configure(CwdCheckSec=3600)
        for _ in range(10):
            lock = self.change_soon_after(place, agent)
            if lock is not None:
                break
            agent.release(place)
        self.assertIsNotNone(lock, "it was never soon")
        self.assertEqual(agent.acquire(place, reason="later"), lock)
        self.listener.wait_signal("LockChanged", lock, lambda told: told.changed == {"reason": "later"})
        changes = [s.changed for s in self.listener.signals if s.id == lock and s.name == "LockChanged"]
        self.assertEqual(changes, [{"reason": "later"}])

    def change_soon_after(self, place, agent):
        """The lock; None when it was so late that it may have been told before it was changed."""
        process = self.service.process
        self.break_(f"renameat {self.service.runtime}/locks/* 1 kill-after")
        agent.begin_acquire(place)
        until(lambda: process.poll() is not None, "the kill")
        self.mend()
        self.gone_already()
        self.start_again()
        lock, = [one["id"] for one in self.me.list()]
        self.assertEqual(agent.acquire(place, reason="soon"), lock)
        if time.monotonic() - self.launched >= COMEBACK_SEC:
            return None
        self.assertEqual(self.listener.wait_signal("LockAcquired", lock).lock["reason"], "soon")
        return lock

    def told(self, lock):
        told = super().told(lock)
        return [word for number, word in enumerate(told) if word not in told[:number]]


if __name__ == "__main__":
    harness.main()
