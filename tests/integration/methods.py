# SPDX-License-Identifier: MIT
"""Acquire, Release, List, Check, the signals and the properties."""
import os
import time

import harness
from harness import Gio, GLib, both_doors, options, until

KEYS = {
    "id": int, "directory": str, "kind": str, "pid": int, "uid": int, "command": str, "shared": bool,
    "subtree": bool, "follow-cwd": bool, "cwd": str, "acquired-at": int, "acquired-by": int, "waiters": int,
}


@both_doors
class Acquire(harness.Case):
    def test_what_a_lock_says_of_itself(self):
        place = self.directory()
        before = time.time_ns() // 1000
        agent, lock = self.holder(place, agent="Tester", session="s-1", reason="to see")
        after = time.time_ns() // 1000
        listed = self.me.lock(lock)
        for key, kind in KEYS.items():
            self.assertIs(type(listed[key]), kind, key)
        self.assertEqual(set(listed), {*KEYS, "agent", "session", "reason"})
        at = listed.pop("acquired-at")
        self.assertTrue(before <= at <= after, (before, at, after))
        self.assertEqual(listed, {
            "id": lock, "directory": place, "kind": "process", "pid": agent.pid, "uid": os.getuid(),
            "command": "test-agent", "shared": False, "subtree": False, "follow-cwd": True, "cwd": "inside",
            "acquired-by": agent.pid, "waiters": 0, "agent": "Tester", "session": "s-1", "reason": "to see"})

    def test_no_texts_no_keys(self):
        _, lock = self.holder(self.directory())
        self.assertEqual(set(self.me.lock(lock)), set(KEYS))

    def test_a_manual_lock(self):
        place = self.directory()
        agent = self.agent("/")
        lock = agent.acquire(place, manual=True, reason="by hand")
        listed = self.me.lock(lock)
        self.assertEqual((listed["kind"], listed["pid"], listed["command"], listed["cwd"], listed["acquired-by"]),
                         ("manual", 0, "", "ignored", agent.pid))
        self.assertNotIn("expires-at", listed)
        agent.die()
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [], "it is held by no process")
        self.refused("Held", self.agent(place).acquire, place)
        self.assertEqual(self.agent("/").release(place), 1)
        self.assertEqual(self.me.wait_released(lock, "released").pid, 0)

    def test_a_manual_lock_follows_nobody(self):
        """Who always says that it shall not may do so here, too."""
        place = self.directory()
        self.assertIn("follow-cwd", self.refused("InvalidOption", self.me.acquire, place, manual=True,
                                                 follow_cwd=True).message)
        seen = self.me.lock(self.me.acquire(place, manual=True, follow_cwd=False))
        self.assertEqual((seen["kind"], seen["follow-cwd"], seen["cwd"]), ("manual", False, "ignored"))

    def test_a_manual_lock_with_an_end(self):
        place = self.directory()
        before = time.time_ns() // 1000
        lock = self.me.acquire(place, manual=True, ttl=1)
        expires = self.me.wait_signal("LockAcquired", lock).lock["expires-at"]
        self.assertGreaterEqual(expires, before + 1_000_000)
        self.me.wait_released(lock, "expired")
        self.assertGreaterEqual(time.time_ns() // 1000, expires)
        self.holder(place)

    def test_an_end_far_away(self):
        lock = self.me.acquire(self.directory(), manual=True, ttl=0xFFFFFFFF)
        listed = self.me.lock(lock)
        self.assertGreaterEqual(listed["expires-at"], listed["acquired-at"] + 0xFFFFFFFF * 1_000_000)
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])

    def test_held_names_the_holder(self):
        place = self.directory()
        agent, _ = self.holder(place, reason="a long refactoring")
        error = self.refused("Held", self.agent(place).acquire, place)
        for word in (place, str(agent.pid), "test-agent", "a long refactoring"):
            self.assertIn(word, error.message)

    def test_asking_again_refreshes_the_texts(self):
        place = self.directory()
        agent, lock = self.holder(place, reason="first", agent="A")
        self.assertEqual(agent.acquire(place, reason="second"), lock)
        self.assertEqual(self.me.lock(lock)["reason"], "second")
        self.assertEqual(self.me.get("LockCount"), 1)
        self.me.drain()
        self.assertEqual(len([s for s in self.me.signals if s.name == "LockAcquired"]), 1)

    def test_join(self):
        place = self.directory()
        first, lock = self.holder(place)
        second = self.agent(place)
        self.refused("Held", second.acquire, place)
        joined = second.acquire(place, conflict="join")
        self.assertNotEqual(joined, lock)
        self.assertEqual([b["id"] for b in self.me.list(directory=place)], [lock, joined])
        self.me.drain()
        self.assertEqual([s.name for s in self.me.signals], ["LockAcquired", "LockAcquired"])
        first.die()
        self.me.wait_released(lock, "exited")
        self.assertEqual([b["pid"] for b in self.me.list()], [second.pid])
        self.refused("Held", self.agent(place).acquire, place)

    def test_ids_grow(self):
        last = 0
        for number in range(20):
            lock = self.me.acquire(self.directory(f"project-{number}"), manual=True)
            self.assertGreater(lock, last)
            last = lock
            if number % 2 == 0:
                self.me.release(id=lock)

    def test_the_limit_per_user(self):
        self.service.stop()
        self.service.configure(MaxLocksPerUser=3)
        self.service.start()
        self.me = self.client()
        for number in range(3):
            self.me.acquire(self.directory(f"project-{number}"), manual=True)
        with self.nothing_changes():
            error = self.refused("LimitExceeded", self.me.acquire, self.directory("one-more"), manual=True)
            self.assertIn("3", error.message)
        self.me.release(self.directory("project-0"))
        self.me.acquire(self.directory("one-more"), manual=True)


@both_doors
class Release(harness.Case):
    def test_by_its_holder(self):
        place = self.directory()
        agent, lock = self.holder(place)
        self.assertEqual(agent.release(place), 1)
        self.me.wait_released(lock, "released")
        self.assertEqual(self.me.list(), [])
        self.refused("NotFound", agent.release, place)

    def test_by_id(self):
        agent, lock = self.holder(self.directory())
        self.assertEqual(agent.release(id=lock), 1)
        self.me.wait_released(lock, "released")
        self.refused("NotFound", agent.release, id=lock)

    def test_by_its_acquirer(self):
        place = self.directory()
        agent, launcher = self.agent(place), self.agent("/")
        lock = launcher.acquire(place, pid=agent.pid)
        self.assertEqual(launcher.release(place, pid=agent.pid), 1)
        self.me.wait_released(lock, "released")

    def test_by_a_descendant(self):
        place = self.directory()
        agent, lock = self.holder(place)
        address = self.service.address(self.door)
        command = ["busctl", f"--address={address}", "call", harness.NAME, harness.PATH, harness.NAME, "Release",
                   "sa{sv}", place, "0"]
        status, out, err = agent.spawn("sh -c '" + " ".join(command) + "'")
        self.assertEqual((status, out.strip()), (0, "u 1"), err)
        self.me.wait_released(lock, "released")

    def test_not_by_a_stranger(self):
        place = self.directory()
        agent, lock = self.holder(place)
        stranger = self.agent(place)
        with self.nothing_changes():
            for call in (lambda: stranger.release(place), lambda: stranger.release(id=lock),
                         lambda: stranger.release(place, pid=agent.pid)):
                error = self.refused("HolderAlive", call)
                self.assertIn(str(agent.pid), error.message)

    def test_by_force(self):
        place = self.directory()
        _, lock = self.holder(place)
        self.assertEqual(self.agent("/").release(place, force=True), 1)
        self.me.wait_released(lock, "forced")

    def test_force_by_the_holder_is_no_force(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.release(place, force=True)
        self.me.wait_released(lock, "released")

    def test_the_callers_own_among_several(self):
        place = self.directory()
        first, lock = self.holder(place)
        second = self.agent(place)
        joined = second.acquire(place, conflict="join")
        self.assertEqual(second.release(place), 1)
        self.me.wait_released(joined, "released")
        self.assertEqual([b["id"] for b in self.me.list()], [lock])
        self.assertEqual(first.release(place), 1)

    def test_several_of_others(self):
        place = self.directory()
        _, lock = self.holder(place)
        joined = self.agent(place).acquire(place, conflict="join")
        with self.nothing_changes():
            error = self.refused("Ambiguous", self.agent("/").release, place, force=True)
            for number in (lock, joined):
                self.assertIn(str(number), error.message)

    def test_nothing_there(self):
        place = self.directory()
        with self.nothing_changes():
            self.refused("NotFound", self.me.release, place)
            self.refused("NotFound", self.me.release, place, pid=os.getpid())

    def test_of_a_directory_below_releases_nothing_above(self):
        place, below = self.directory(), self.directory("project/below")
        agent, _ = self.holder(place)
        self.refused("NotFound", agent.release, below)

    def test_by_descriptor(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.release("", directory_fd=agent.open("directory", place))
        self.me.wait_released(lock, "released")


@both_doors
class Looking(harness.Case):
    def test_filters(self):
        one, two, below = self.directory("one"), self.directory("two"), self.directory("one/below")
        agent, lock_one = self.holder(one)
        lock_below = agent.acquire(below, follow_cwd=False)
        lock_two = self.me.acquire(two, manual=True)

        def ids(**given):
            return [lock["id"] for lock in self.me.list(**given)]
        self.assertEqual(ids(), [lock_one, lock_below, lock_two])
        self.assertEqual(ids(directory=one), [lock_one])
        self.assertEqual(ids(under=one), [lock_one, lock_below])
        self.assertEqual(ids(under=os.path.dirname(one)), [lock_one, lock_below, lock_two])
        self.assertEqual(ids(under=below), [lock_below])
        self.assertEqual(ids(pid=agent.pid), [lock_one, lock_below])
        self.assertEqual(ids(kind="manual"), [lock_two])
        self.assertEqual(ids(kind="process"), [lock_one, lock_below])
        self.assertEqual(ids(uid=os.getuid()), [lock_one, lock_below, lock_two])
        self.assertEqual(ids(uid=4_000_000), [])
        self.assertEqual(ids(pid=1), [])
        self.assertEqual(ids(pid=agent.pid, under=below), [lock_below])
        self.assertEqual(ids(directory=self.directory("three")), [])

    def test_a_name_that_begins_the_same_is_not_under(self):
        one, other = self.directory("one"), self.directory("one-more")
        self.me.acquire(other, manual=True)
        self.assertEqual(self.me.list(under=one), [])

    def test_check(self):
        place, below = self.directory(), self.directory("project/below")
        self.assertEqual(self.me.check(place), (True, []))
        agent, lock = self.holder(place)
        free, blockers = self.me.check(place)
        self.assertFalse(free)
        self.assertEqual(blockers, [self.me.lock(lock)])
        self.assertEqual(self.me.check(below), (True, []))
        self.assertEqual(self.me.check(os.path.dirname(place)), (True, []))
        agent.release(place)
        self.assertEqual(self.me.check(place), (True, []))

    def test_check_is_by_a_process_that_holds_nothing(self):
        """Also when the caller itself is the holder."""
        place = self.directory()
        agent, _ = self.holder(place)
        self.assertFalse(agent.call("Check", place)[0])

    def test_looking_changes_nothing(self):
        place = self.directory()
        self.holder(place)
        with self.nothing_changes():
            for _ in range(20):
                self.me.check(place)
                self.me.list(directory=place)


@both_doors
class Told(harness.Case):
    def test_acquired_then_released_each_once(self):
        seen = {}
        for number in range(10):
            place = self.directory(f"project-{number}")
            agent, lock = self.holder(place)
            seen[lock] = (place, agent.pid)
            if number % 3 == 0:
                agent.release(place)
            elif number % 3 == 1:
                agent.die()
            else:
                self.me.release(place, force=True)
        for lock, (place, pid) in seen.items():
            self.me.wait_signal("LockReleased", lock)
        self.me.drain()
        for lock, (place, pid) in seen.items():
            told = [s for s in self.me.signals if s.id == lock]
            self.assertEqual([s.name for s in told], ["LockAcquired", "LockReleased"])
            for one in told:
                self.assertEqual((one.directory, one.pid), (place, pid))
                self.assertEqual((one.lock["id"], one.lock["directory"], one.lock["pid"]), (lock, place, pid))

    def test_the_signal_describes_what_list_shows(self):
        _, lock = self.holder(self.directory(), reason="x")
        self.assertEqual(self.me.wait_signal("LockAcquired", lock).lock, self.me.lock(lock))

    def test_the_release_is_true_when_it_is_told(self):
        """Whoever hears of it may have the directory at once."""
        place = self.directory()
        agent, lock = self.holder(place)
        successor = self.agent(place)
        agent.kill()
        self.me.wait_released(lock, "exited")
        self.assertGreater(successor.acquire(place), lock)

    def test_everybody_hears(self):
        others = [self.client("bus"), self.client("direct"), self.client("direct-bus")]
        agent, lock = self.holder(self.directory())
        agent.kill()
        for client in others:
            client.wait_signal("LockAcquired", lock)
            client.wait_released(lock, "exited")

    def test_properties(self):
        self.assertRegex(self.me.get("Version"), r"^\d+\.\d+\.\d+")
        self.assertEqual(self.me.get("Scope"), "user")
        self.assertEqual((self.me.get("LockCount"), self.me.get("WaiterCount")), (0, 0))
        everything = self.me.raw("org.freedesktop.DBus.Properties", "GetAll",
                                 harness.GLib.Variant("(s)", (harness.NAME,)))[0]
        self.assertEqual(set(everything), {"Version", "Scope", "LockCount", "WaiterCount", "Counters",
                                           "Histograms"})

    def test_the_count_is_announced(self):
        agent, _ = self.holder(self.directory())
        harness.until(lambda: {"LockCount": 1} in [
            {k: v for k, v in change.items() if k == "LockCount"} for change in self.me.property_changes],
            lambda: f"LockCount 1; had {self.me.property_changes}")
        agent.kill()
        harness.until(lambda: any(c.get("LockCount") == 0 for c in self.me.property_changes), "LockCount 0")
        self.assertFalse(any("Counters" in change for change in self.me.property_changes))

    def test_histograms(self):
        bounds = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
        self.assertEqual(set(self.me.get("Histograms")),
                         {*(f"{what}-seconds-le-{bound}" for what in ("hold", "wait") for bound in bounds),
                          "hold-count", "hold-usec-sum", "wait-count", "wait-usec-sum"})
        place = self.directory()
        agent, _ = self.holder(place)
        agent.release(place)
        histograms = self.me.get("Histograms")
        self.assertEqual((histograms["hold-count"], histograms["wait-count"]), (1, 0))

    def test_counters(self):
        reasons = ("released", "exited", "left", "removed", "expired", "forced", "stolen")
        counters = self.me.counters()
        self.assertEqual(set(counters), {"acquired", "refused", "waited", "restored",
                                         *(f"released-{reason}" for reason in reasons)})
        self.assertEqual(set(counters.values()), {0})
        place = self.directory()
        agent, _ = self.holder(place)
        self.refused("Held", self.agent(place).acquire, place)
        agent.release(place)
        counters = self.me.counters()
        self.assertEqual((counters["acquired"], counters["refused"], counters["released-released"]), (1, 1, 1))

    def test_every_acquire_that_ended_in_an_error_is_counted(self):
        """Wherever it ended on its way; and nothing else is."""
        place = self.directory()
        holder, lock = self.holder(place)
        other = self.agent(place)
        outside = self.agent("/")
        waiting = other.begin_acquire(place, conflict="wait", ticket="t")
        until(lambda: self.me.get("WaiterCount") == 1, "the waiter")
        other.call("Cancel", "t")
        self.refused("Cancelled", waiting.value)
        for name, call in (("InvalidOption", lambda: outside.acquire(place, manual=True, pid=holder.pid)),
                           ("InvalidDirectory", lambda: outside.acquire("relative")),
                           ("InvalidDirectory", lambda: outside.acquire(f"{place}/missing")),
                           ("NoSuchProcess", lambda: outside.acquire(place, pid=2**22 + 1)),
                           ("NotInDirectory", lambda: outside.acquire(place)),
                           ("Held", lambda: other.acquire(place)),
                           ("TimedOut", lambda: other.acquire(place, conflict="wait", timeout=1))):
            before = self.me.counters()["refused"]
            self.refused(name, call)
            self.assertEqual(self.me.counters()["refused"], before + 1, name)
        self.assertEqual(self.me.counters()["refused"], 8)
        self.refused("HolderAlive", other.release, id=lock)
        self.refused("NotFound", other.call, "Transfer", 999, options(pid=other.pid))
        self.refused("HolderAlive", other.call, "Transfer", lock, options(pid=other.pid))
        self.refused("NotInDirectory", holder.call, "Transfer", lock, options(pid=outside.pid))
        self.refused("InvalidDirectory", other.call, "Check", "relative")
        self.assertEqual(self.me.counters()["refused"], 8)


@both_doors
class Changes(harness.Case):
    """LockChanged has the keys that have another value, and no others: whoever applies it has what List says."""

    def follow(self, lock):
        listed = self.me.lock(lock)
        self.me.drain()
        listed = self.me.lock(lock)
        self.me.drain()
        seen = dict(self.me.wait_signal("LockAcquired", lock).lock)
        told = [s.changed for s in self.me.signals if s.id == lock and s.name == "LockChanged"]
        for changed in told:
            self.assertNotEqual(changed, {})
            for key, value in changed.items():
                self.assertNotEqual(seen.get(key), value, changed)
                seen[key] = value
                if value == {"expires-at": 0, "directory-bytes": []}.get(key):
                    del seen[key]
        self.assertEqual(seen, listed, told)
        return [set(changed) for changed in told]

    def test_the_same_again_changes_nothing(self):
        place = self.directory()
        agent, lock = self.holder(place, reason="first")
        self.assertEqual(agent.acquire(place, reason="first"), lock)
        self.assertEqual(self.follow(lock), [])

    def test_one_text(self):
        place = self.directory()
        agent, lock = self.holder(place, agent="a", session="s", reason="first")
        agent.acquire(place, agent="a", reason="second")
        self.assertEqual(self.follow(lock), [{"reason"}])

    def test_modes(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.acquire(place, subtree=True)
        agent.acquire(place, subtree=True, shared=True, follow_cwd=False)
        self.assertEqual(self.follow(lock), [{"subtree"}, {"shared", "follow-cwd", "cwd"}])

    def test_a_transfer(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.call("Transfer", lock, options(pid=self.agent(place).pid))
        self.assertEqual(self.follow(lock), [{"pid"}])

    def test_a_claim_that_is_handed_over_does_not_expire_any_more(self):
        place = self.directory()
        lock = self.me.acquire(place, manual=True, ttl=1000)
        self.me.call("Transfer", lock, options(pid=self.agent(place).pid))
        self.assertEqual(self.follow(lock), [{"kind", "pid", "command", "expires-at", "follow-cwd", "cwd"}])
        self.assertNotIn("expires-at", self.me.lock(lock))

    def test_another_program(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.order("exec", "sleep 1000")
        until(lambda: self.me.lock(lock)["command"] == "sleep", "the program's name")
        self.assertEqual(self.follow(lock), [{"command"}])

    def test_another_name(self):
        """UTF-8, none, and UTF-8 again."""
        place = self.directory()
        _, lock = self.holder(place)
        names = (place + "-moved", os.fsencode(place) + b"-\xff", place)
        for name in names:
            os.rename(place, name)
            place = name
            until(lambda: self.me.lock(lock).get("directory-bytes", []) == list(os.fsencode(name))
                  if isinstance(name, bytes) else self.me.lock(lock)["directory"] == name, "its new name")
        self.assertEqual(self.follow(lock), [{"directory"}, {"directory", "directory-bytes"},
                                             {"directory", "directory-bytes"}])


    def test_who_waits_for_it(self):
        """A grant says how many do, and so does the end; between them it is told when that changes."""
        place = self.directory()
        first, lock = self.holder(place)
        waiting = [self.agent(place).begin_acquire(place, conflict="wait") for _ in range(2)]
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed == {"waiters": 2})
        first.release(id=lock)
        self.assertEqual(self.me.wait_released(lock, "released").lock["waiters"], 2)
        second = until(lambda: next((w for w in waiting if w.done()), None), "a turn").value()[0]
        self.assertEqual(self.me.wait_signal("LockAcquired", second).lock["waiters"], 1)
        self.assertEqual(self.follow(second), [])
        third = self.agent(place).acquire(place, conflict="steal")
        self.assertEqual(self.me.wait_released(second, "stolen").lock["waiters"], 1)
        self.assertEqual(self.me.wait_signal("LockAcquired", third).lock["waiters"], 1)
        self.assertEqual(self.follow(third), [])

    def test_two_requests_of_one_holder(self):
        place = self.directory()
        first, lock = self.holder(place)
        agent = self.agent(place)
        exclusive = agent.begin_acquire(place, conflict="wait")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed == {"waiters": 1})
        shared = agent.begin_acquire(place, conflict="wait", shared=True)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed == {"waiters": 2})
        first.release(id=lock)
        second = exclusive.value()[0]
        self.assertEqual(shared.value()[0], second)
        # Settled in one go or in two: told is what follows, and nothing twice.
        changes = self.follow(second)
        self.assertIn((self.me.wait_signal("LockAcquired", second).lock["shared"], changes),
                      [(True, []), (False, [{"shared"}])])


@both_doors
class BareCalls(harness.Case):
    """Calls that name no interface, as dbus-python's do and as the specification of D-Bus allows."""

    def bare(self, member, arguments=None, path=harness.PATH, fds=()):
        message = Gio.DBusMessage.new_method_call(self.me.destination, path, None, member)
        if arguments is not None:
            message.set_body(arguments)
        if fds:
            message.set_unix_fd_list(Gio.UnixFDList.new_from_array(fds))
        answer, _ = self.me.connection.send_message_with_reply_sync(
            message, Gio.DBusSendMessageFlags.NONE, int(harness.LIMIT * 1000), None)
        if answer.get_message_type() == Gio.DBusMessageType.ERROR:
            raise harness.Refused(answer.get_error_name(), answer.get_body()[0])
        body = answer.get_body()
        return () if body is None else body.unpack()

    def test_our_methods(self):
        place = self.directory()
        self.assertEqual(self.bare("Check", GLib.Variant("(s)", (place,))), (True, []))
        lock, = self.bare("Acquire", GLib.Variant("(sa{sv})", ("", options(manual=True, directory_fd=0))),
                          fds=[os.open(place, os.O_PATH)])  # taken over
        self.assertEqual(self.me.lock(lock)["directory"], place)
        self.refused("Held", self.bare, "Acquire", GLib.Variant("(sa{sv})", (place, options(manual=True))))
        self.assertEqual(self.bare("Release", GLib.Variant("(sa{sv})", ("", options(id=lock)))), (1,))

    def test_what_every_object_has(self):
        for path in (harness.PATH, "/", "/org", "/org/agentctl"):
            with self.subTest(path=path):
                self.assertIn("<node", self.bare("Introspect", path=path)[0])
                self.assertEqual(self.bare("Ping", path=path), ())
                self.assertRegex(self.bare("GetMachineId", path=path)[0], "^[0-9a-f]{32}$")
        self.assertIn("Acquire", self.bare("Introspect")[0])
        self.assertEqual(self.bare("Get", GLib.Variant("(ss)", (harness.NAME, "Scope"))), ("user",))
        self.assertEqual(self.bare("GetAll", GLib.Variant("(s)", (harness.NAME,)))[0]["LockCount"], 0)

    def test_what_there_is_not(self):
        unknown = "org.freedesktop.DBus.Error.UnknownMethod"
        self.assertIn("Lock", self.refused(unknown, self.bare, "Lock").message)
        self.assertNotIn("Object does not exist", self.refused(unknown, self.bare, "Lock").message)
        self.refused(unknown, self.bare, "Check", GLib.Variant("(s)", ("/",)), path="/")
        self.refused("org.freedesktop.DBus.Error.InvalidArgs", self.bare, "Check", GLib.Variant("(u)", (1,)))


class RareRounds(harness.Case):
    """Nothing is known but what is looked at for the call itself."""

    config = {"CwdCheckSec": 3600}

    def test_an_error_names_the_program_of_now(self):
        place = self.directory()
        agent, lock = self.holder(place)
        agent.order("exec", "sleep 1000")
        with open(f"/proc/{agent.pid}/comm", encoding="utf-8") as comm:
            until(lambda: comm.seek(0) == 0 and comm.read() == "sleep\n", "the program")
        other = self.agent(place)
        for error in (self.refused("Held", other.acquire, place), self.refused("HolderAlive", other.release, id=lock),
                      self.refused("HolderAlive", other.call, "Transfer", lock, options(pid=other.pid))):
            self.assertIn(f"held by sleep (pid {agent.pid}", error.message)


if __name__ == "__main__":
    harness.main()
