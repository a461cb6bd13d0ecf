# SPDX-License-Identifier: MIT
"""Who may do what on a machine of many users: a table of everybody and everything, through both doors.

alice owns the directories and the locks. `owner` is another process of hers, `other` is bob, who may nothing,
`root` is root, and `allowed` is carol, to whom polkit allows org.agentctl.locks.override. On the direct socket
there is nobody whom polkit could be asked about: there carol is any other user.
"""
import contextlib
import subprocess

import harness
import machine
from harness import both_doors, options, until

OK = "ok"
ROWS = []


def row(owner, other, root, allowed):
    """One line of the table: what comes of it for whom, OK or the name of the error."""
    def add(function):
        ROWS.append((function, {"owner": owner, "other": other, "root": root, "allowed": allowed}))
        return function
    return add


class Scene:
    """A fresh directory of alice's for one cell."""

    def __init__(self, case, number, actor):
        self.case, self.number, self.actor = case, number, actor

    def place(self, mode=0o777, name=""):
        return self.case.directory(f"cell-{self.number}{name}", "alice", mode)

    def enter(self, place):
        """The actor goes there; into a closed place its descriptor cannot follow, and it stays outside."""
        with contextlib.suppress(harness.Refused):
            self.actor.chdir(place)
        return place

    def held(self, **given):
        """A place that alice's agent works in and has locked; everybody could, by its mode."""
        place = self.place()
        self.holder, self.lock = self.case.holder(place, "alice", reason="alice's reason", **given)
        self.enter(place)
        return place

    def claimed(self):
        place = self.place()
        self.holder = self.case.agent("/", "alice")
        self.lock = self.holder.acquire(place, manual=True, reason="alice's reason")
        self.enter(place)
        return place

    def worker(self, place):
        """A process of alice's without a lock."""
        return self.case.agent(place, "alice", connect=False)

    def ended_as(self, reason):
        self.case.me.wait_released(self.lock, reason)


# Acquire, for oneself: the directory's permission decides, and no authority stands in for it.

@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire(scene):
    scene.actor.acquire(scene.enter(scene.place(0o755)))


@row(OK, OK, OK, OK)
def acquire_shared(scene):
    scene.actor.acquire(scene.enter(scene.place(0o755)), shared=True)


@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire_shared_in_a_closed_directory(scene):
    scene.actor.acquire(scene.place(0o700), shared=True, follow_cwd=False)


@row(OK, "InvalidDirectory", OK, "InvalidDirectory")
def acquire_behind_a_closed_directory(scene):
    scene.place(0o700)
    scene.actor.acquire(scene.place(0o777, "/inner"), shared=True, follow_cwd=False)


@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire_subtree(scene):
    scene.actor.acquire(scene.enter(scene.place(0o755)), subtree=True)


@row(OK, OK, OK, OK)
def acquire_subtree_shared(scene):
    scene.actor.acquire(scene.enter(scene.place(0o755)), subtree=True, shared=True)


@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire_manual(scene):
    scene.actor.acquire(scene.place(0o755), manual=True, ttl=1000)


@row(OK, OK, OK, OK)
def acquire_manual_shared(scene):
    scene.actor.acquire(scene.place(0o755), manual=True, shared=True)


@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire_by_descriptor(scene):
    place = scene.enter(scene.place(0o755))
    scene.actor.acquire("", directory_fd=scene.actor.open("directory", place))


@row(OK, OK, OK, OK)
def acquire_with_every_harmless_option(scene):
    scene.actor.acquire(scene.enter(scene.place()), follow_cwd=False, detect_agents=False, agent="a", session="s",
                        reason="r", conflict="wait", timeout=1000, ticket="t")


# Acquire, for another process.

@row(OK, "NotPermitted", OK, OK)
def acquire_for_a_pid(scene):
    place = scene.place()
    scene.actor.acquire(place, pid=scene.worker(place).pid)


@row(OK, "NotPermitted", OK, OK)
def acquire_for_a_pidfd(scene):
    place = scene.place()
    scene.actor.acquire(place, pidfd=scene.actor.open("pidfd", scene.worker(place).pid))


@row(OK, "NotPermitted", OK, "NotPermitted")
def acquire_for_a_pid_where_one_may_not_write(scene):
    place = scene.place(0o755)
    scene.actor.acquire(place, pid=scene.worker(place).pid)


# Acquire, where alice's lock is in the way.

@row("Held", "Held", "Held", "Held")
def conflict_fail(scene):
    scene.actor.acquire(scene.held(), conflict="fail")


@row("TimedOut", "TimedOut", "TimedOut", "TimedOut")
def conflict_wait(scene):
    scene.actor.acquire(scene.held(), conflict="wait", timeout=1)


@row(OK, "NotPermitted", OK, OK)
def conflict_join(scene):
    scene.actor.acquire(scene.held(), conflict="join")


@row(OK, "NotPermitted", OK, OK)
def conflict_join_a_manual_lock(scene):
    scene.actor.acquire(scene.claimed(), conflict="join")


@row(OK, "NotPermitted", OK, OK)
def conflict_steal(scene):
    scene.actor.acquire(scene.held(), conflict="steal")
    scene.ended_as("stolen")


@row(OK, "NotPermitted", OK, OK)
def conflict_steal_a_manual_lock(scene):
    scene.actor.acquire(scene.claimed(), conflict="steal", manual=True)
    scene.ended_as("stolen")


@row(OK, "NotPermitted", OK, OK)
def conflict_steal_from_a_subtree(scene):
    place = scene.held(subtree=True)
    inner = scene.place(0o777, "/inner")
    scene.actor.acquire(inner, conflict="steal", follow_cwd=False)
    scene.ended_as("stolen")
    scene.enter(place)


@row("Held", "Held", "Held", "Held")
def conflict_shared(scene):
    scene.actor.acquire(scene.held(), shared=True)


# Release.

@row("HolderAlive", "NotPermitted", "HolderAlive", "HolderAlive")
def release_by_directory(scene):
    scene.actor.release(scene.held())


@row("HolderAlive", "NotPermitted", "HolderAlive", "HolderAlive")
def release_by_id(scene):
    scene.held()
    scene.actor.release(id=scene.lock)


@row("HolderAlive", "NotPermitted", "HolderAlive", "HolderAlive")
def release_by_pid(scene):
    scene.actor.release(scene.held(), pid=scene.holder.pid)


@row("HolderAlive", "NotPermitted", "HolderAlive", "HolderAlive")
def release_by_descriptor(scene):
    scene.actor.release("", directory_fd=scene.actor.open("directory", scene.held()))


@row(OK, "NotPermitted", OK, OK)
def release_by_force(scene):
    scene.actor.release(scene.held(), force=True)
    scene.ended_as("forced")


@row(OK, "NotPermitted", OK, OK)
def release_by_force_and_id(scene):
    scene.held()
    scene.actor.release(id=scene.lock, force=True)
    scene.ended_as("forced")


@row(OK, "NotPermitted", OK, OK)
def release_a_manual_lock(scene):
    scene.actor.release(scene.claimed())
    scene.ended_as("released" if scene.actor.who == "alice" else "forced")


@row(OK, "NotPermitted", OK, OK)
def release_a_manual_lock_by_id(scene):
    scene.claimed()
    scene.actor.release(id=scene.lock)


@row("NotFound", "NotFound", "NotFound", "NotFound")
def release_nothing(scene):
    scene.actor.release(scene.place())


# Transfer.

@row("HolderAlive", "NotPermitted", "HolderAlive", "HolderAlive")
def transfer(scene):
    place = scene.held()
    scene.actor.call("Transfer", scene.lock, options(pid=scene.worker(place).pid))


@row(OK, "NotPermitted", OK, OK)
def transfer_by_force(scene):
    place = scene.held()
    scene.actor.call("Transfer", scene.lock, options(pid=scene.worker(place).pid, force=True))


@row(OK, "NotPermitted", OK, OK)
def transfer_by_force_and_pidfd(scene):
    place = scene.held()
    handle = scene.actor.open("pidfd", scene.worker(place).pid)
    scene.actor.call("Transfer", scene.lock, options(pidfd=handle, force=True, follow_cwd=False))


@row(OK, "NotPermitted", OK, OK)
def transfer_a_manual_lock(scene):
    place = scene.claimed()
    scene.actor.call("Transfer", scene.lock, options(pid=scene.worker(place).pid))


@row(OK, "NotPermitted", OK, OK)
def transfer_ones_own_lock_to_alice(scene):
    place = scene.enter(scene.place())
    lock = scene.actor.acquire(place)
    scene.actor.call("Transfer", lock, options(pid=scene.worker(place).pid))


@row("NotFound", "NotFound", "NotFound", "NotFound")
def transfer_nothing(scene):
    place = scene.place()
    scene.actor.call("Transfer", 999_999, options(pid=scene.worker(place).pid))


# Questions, which everybody may ask.

@row(OK, OK, OK, OK)
def list_with_every_filter(scene):
    place = scene.held()
    uid = machine.uid_of("alice")
    for filters in ({}, {"directory": place}, {"under": place}, {"pid": scene.holder.pid}, {"uid": uid},
                    {"kind": "process"}):
        locks = scene.actor.call("List", options(**filters))[0]
        scene.case.assertIn(scene.lock, [lock["id"] for lock in locks], filters)


@row(OK, OK, OK, OK)
def check(scene):
    free, blockers = scene.actor.call("Check", scene.held())
    scene.case.assertEqual((free, [lock["id"] for lock in blockers]), (False, [scene.lock]))


@row(OK, OK, OK, OK)
def occupants(scene):
    found = scene.actor.call("Occupants", scene.held())[0]
    scene.case.assertIn(scene.holder.pid, [process["pid"] for process in found])


@row(OK, "InvalidDirectory", OK, "InvalidDirectory")
def check_behind_a_closed_directory(scene):
    scene.place(0o700)
    scene.actor.call("Check", scene.place(0o777, "/inner"))


@row(OK, "InvalidDirectory", OK, "InvalidDirectory")
def occupants_behind_a_closed_directory(scene):
    scene.place(0o700)
    scene.actor.call("Occupants", scene.place(0o777, "/inner"))


@row(OK, OK, OK, OK)
def cancel_somebody_elses_wait(scene):
    place = scene.held()
    waiter = scene.case.agent(place, "alice")
    waiting = waiter.begin_acquire(place, conflict="wait", ticket="mine")
    until(lambda: scene.case.me.lock(scene.lock)["waiters"] == 1, "the waiter")
    scene.case.assertEqual(scene.actor.call("Cancel", "mine"), (False,))
    scene.case.assertFalse(waiting.done())
    scene.case.assertEqual(waiter.call("Cancel", "mine"), (True,))


@both_doors
class Table(machine.Case):
    polkit = True
    # Many cells, and none of them about limits.
    config = {"CwdGraceSec": 60}

    def run_cells(self, role, who):
        expected_role = "other" if role == "allowed" and self.door == "direct" else role
        for number, (function, expected) in enumerate(ROWS):
            with self.subTest(f"{function.__name__} as {role}"):
                actor = self.agent("/", who)
                scene = Scene(self, number, actor)
                result = OK
                try:
                    function(scene)
                except harness.Refused as error:
                    result = error.name
                self.assertEqual(result, expected[expected_role], function.__name__)
                # A refusal leaves what it was about as it was.
                if result != OK and hasattr(scene, "lock"):
                    lock = self.me.lock(scene.lock)
                    self.assertEqual((lock["pid"], lock["uid"]),
                                     (0 if lock["kind"] == "manual" else scene.holder.pid,
                                      machine.uid_of("alice")))
                for agent in self.agents:
                    agent.end()
                self.agents.clear()

    def test_owner(self):
        self.run_cells("owner", "alice")

    def test_other(self):
        self.run_cells("other", "bob")

    def test_root(self):
        self.run_cells("root", "root")

    def test_allowed(self):
        self.run_cells("allowed", "carol")


@both_doors
class OnesOwn(machine.Case):
    """Whose word a lock rests on, across users."""

    polkit = True

    def test_root_gives_a_lock_and_takes_it_back(self):
        place = self.directory(owner="alice")
        worker, root = self.agent(place, "alice"), self.agent("/", "root")
        lock = root.acquire(place, pid=worker.pid)
        self.assertEqual(self.me.lock(lock)["uid"], machine.uid_of("alice"))
        self.assertEqual(self.me.lock(lock)["acquired-by"], root.pid)
        self.assertEqual(root.release(id=lock), 1)
        self.me.wait_released(lock, "released")

    def test_what_root_gave_its_holder_may_release(self):
        place = self.directory(owner="alice")
        worker = self.agent(place, "alice")
        lock = self.agent("/", "root").acquire(place, pid=worker.pid)
        self.refused("NotPermitted", self.agent("/", "bob").release, id=lock)
        self.assertEqual(worker.release(place), 1)
        self.me.wait_released(lock, "released")

    def test_an_acquirer_without_privilege_any_more(self):
        """carol acquires for alice by polkit's leave; to release it she needs that leave again."""
        if self.door == "direct":
            return self.assertEqual(self.door, "direct")  # nobody to ask there, see Table
        place = self.directory(owner="alice", mode=0o777)
        worker, carol = self.agent(place, "alice"), self.agent("/", "carol")
        lock = carol.acquire(place, pid=worker.pid)
        self.service.stop_polkit()
        self.refused("NotPermitted", carol.release, id=lock)
        self.service.start_polkit()
        self.assertEqual(carol.release(id=lock), 1)
        return self.me.wait_released(lock, "released")

    def test_a_process_that_can_be_root_at_will_is_nobodys_but_roots(self):
        """Real uid alice, effective uid 0, as of a set-user-id program."""
        place = self.directory(owner="alice")
        uid = machine.uid_of("alice")
        program = subprocess.Popen(["setpriv", f"--ruid={uid}", "sleep", "1000"], cwd=place,
                                   preexec_fn=harness._die_with_parent)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        until(lambda: b"sleep" in open(f"/proc/{program.pid}/cmdline", "rb").read(), "the program")
        with self.nothing_changes():
            self.refused("NotPermitted", self.agent(place, "alice").acquire, place, pid=program.pid)
        self.agent(place, "root").acquire(place, pid=program.pid)


@both_doors
class Texts(machine.Case):
    polkit = True

    def setUp(self):
        super().setUp()
        self.place = self.directory(owner="alice")
        self.owner, self.lock = self.holder(self.place, "alice", agent="secret", session="secret", reason="secret")

    def test_list_and_check(self):
        readers = {"alice": True, "bob": False, "root": True, "carol": self.door == "bus"}
        for who, may in readers.items():
            agent = self.agent("/", who)
            for locks in (agent.call("List", {})[0], agent.call("List", options(directory=self.place))[0],
                          agent.call("Check", self.place)[1]):
                self.assertEqual(len(locks), 1)
                for key in ("agent", "session", "reason"):
                    self.assertEqual(locks[0].get(key), "secret" if may else None, (who, key))

    def test_no_error_tells_them(self):
        place = self.directory("open", "alice", 0o777)
        self.holder(place, "alice", reason="secret")
        bob = self.agent(place, "bob")
        for method, name in ((lambda: bob.acquire(place), "Held"),
                             (lambda: bob.acquire(place, conflict="join"), "NotPermitted"),
                             (lambda: bob.acquire(place, conflict="steal"), "NotPermitted"),
                             (lambda: bob.acquire(place, conflict="wait", timeout=1), "TimedOut"),
                             (lambda: bob.release(place, force=True), "NotPermitted")):
            self.assertNotIn("secret", self.refused(name, method).message)
        self.assertIn("secret", self.refused("Held", self.agent(place, "alice").acquire, place).message)

    def test_signals(self):
        """On the bus anybody listens, so they carry none; on a direct socket it is known who listens."""
        self.owner.acquire(self.place, reason="another")
        told = self.me.wait_signal("LockChanged", self.lock, lambda s: "cwd" not in s.changed) \
            if self.door == "direct" else None
        self.owner.release(self.place)
        ended = self.me.wait_signal("LockReleased", self.lock)
        if self.door == "direct":
            self.assertEqual(told.changed["reason"], "another")
            self.assertEqual(ended.lock["reason"], "another")
        else:
            self.me.drain()
            for signal in self.me.signals:
                self.assertNotIn("secret", repr(signal.args))
                self.assertNotIn("another", repr(signal.args))
            # Nor that there is something which is not for all ears.
            self.assertEqual([s for s in self.me.signals if s.name == "LockChanged"], [])

    def test_where_others_work_is_not_told_beyond_what_was_asked(self):
        deep = self.directory("project/deep/er", "alice")
        hidden = self.directory("project/hidden", "alice", 0o700)
        worker, lurker = self.agent(deep, "alice"), self.agent(hidden, "alice")
        for who, sees in (("alice", True), ("root", True), ("bob", False)):
            found = {each["pid"]: each["cwd"] for each in self.agent("/", who).call("Occupants", self.place)[0]}
            self.assertEqual(found[worker.pid], deep if sees else self.place)
            self.assertEqual(found[lurker.pid], hidden if sees else self.place)


@both_doors
class KernelsWord(machine.Case):
    """Groups, access control lists and mounts, as the kernel judges them for the caller."""

    def acl(self, entry, place):
        subprocess.run(["setfacl", "-m", entry, place], check=True)

    def test_groups(self):
        place = self.directory(mode=0o770, group="team")
        self.refused("NotPermitted", self.agent("/", "bob").acquire, place, follow_cwd=False)
        self.agent(place, "bob", ["team"]).acquire(place)

    def test_a_list_that_allows(self):
        place = self.directory(mode=0o700)
        self.refused("NotPermitted", self.agent("/", "bob").acquire, place, follow_cwd=False)
        self.acl(f"u:{machine.uid_of('bob')}:rwx", place)
        self.agent(place, "bob").acquire(place)

    def test_a_list_that_allows_to_search_alone(self):
        place = self.directory(mode=0o700)
        self.acl(f"u:{machine.uid_of('bob')}:r-x", place)
        bob = self.agent(place, "bob")
        self.refused("NotPermitted", bob.acquire, place)
        bob.acquire(place, shared=True)

    def test_a_list_that_denies_one_of_all(self):
        place = self.directory(mode=0o777)
        self.acl(f"u:{machine.uid_of('bob')}:---", place)
        self.refused("NotPermitted", self.agent("/", "bob").acquire, place, follow_cwd=False)
        self.agent(place, "carol").acquire(place)

    def test_a_list_for_a_group(self):
        place = self.directory(mode=0o700)
        self.acl(f"g:{machine.gid_of('team')}:rwx", place)
        self.refused("NotPermitted", self.agent("/", "bob").acquire, place, follow_cwd=False)
        self.agent(place, "bob", ["team"]).acquire(place)

    def test_a_mask_counts(self):
        place = self.directory(mode=0o700)
        self.acl(f"u:{machine.uid_of('bob')}:rwx", place)
        self.acl("m::r-x", place)
        self.refused("NotPermitted", self.agent(place, "bob").acquire, place)

    def test_a_list_on_the_way(self):
        self.directory("closed", mode=0o755)
        place = self.directory("closed/inner", mode=0o777)
        self.acl(f"u:{machine.uid_of('bob')}:---", place.rpartition("/")[0])
        self.refused("InvalidDirectory", self.agent("/", "bob").acquire, place, follow_cwd=False)
        self.agent(place, "carol").acquire(place)

    def test_writable_without_search(self):
        place = self.directory(owner="alice", mode=0o722)
        self.refused("NotPermitted", self.agent("/", "bob").acquire, place, follow_cwd=False)

    def test_a_read_only_mount(self):
        place = self.directory(owner="alice", mode=0o777)
        with harness.bind_mount(place, place):
            subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
            for who in ("alice", "root"):
                agent = self.agent(place, who)
                error = self.refused("NotPermitted", agent.acquire, place)
                self.assertIn("read-only", error.message)
                lock = agent.acquire(place, shared=True)
                agent.release(id=lock)
                agent.die()

    def test_permission_is_judged_before_conflicts(self):
        place = self.directory(owner="alice")
        self.holder(place, "alice")
        self.refused("NotPermitted", self.agent(place, "bob").acquire, place)
        self.refused("NotPermitted", self.agent(place, "bob").acquire, place, conflict="wait")
        self.refused("NotPermitted", self.agent(place, "bob").acquire, place, conflict="steal")

    def test_a_home_that_is_closed_to_all_others(self):
        """The lock follows what happens in there, though nobody but its owner may look."""
        self.directory("home", "alice", 0o700)
        place = self.directory("home/project", "alice", 0o700)
        agent, lock = self.holder(place, "alice")
        self.assertEqual(self.me.lock(lock)["directory"], place)
        agent.chdir("/")
        self.me.wait_released(lock, "left")
        claim = agent.acquire(place, manual=True)
        subprocess.run(["rmdir", place], check=True)
        self.me.wait_released(claim, "removed")


@both_doors
class Policy(machine.Case):
    """What the bus policy lets through, and that nobody else can be the service."""

    def run_as(self, who, *command):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              env=self.service.environment, user=machine.uid_of(who), group=machine.gid_of(who),
                              extra_groups=[], timeout=harness.LIMIT, check=False)

    def busctl(self, who, *arguments):
        return self.run_as(who, "busctl", f"--address={self.service.address(self.door)}", *arguments)

    def test_the_interfaces_that_are_meant_for_everybody(self):
        for who in ("bob", "root"):
            for arguments in (("call", harness.NAME, harness.PATH, harness.NAME, "List", "a{sv}", "0"),
                              ("introspect", harness.NAME, harness.PATH),
                              ("get-property", harness.NAME, harness.PATH, harness.NAME, "Scope"),
                              ("call", harness.NAME, harness.PATH, "org.freedesktop.DBus.Peer", "Ping")):
                result = self.busctl(who, *arguments)
                self.assertEqual(result.returncode, 0, (who, arguments, result.stderr))
        self.assertEqual(self.me.get("Scope"), "system")

    def test_no_other_interface(self):
        for who in ("bob", "root"):
            result = self.busctl(who, "call", harness.NAME, harness.PATH, "org.example.Other", "Method")
            self.assertNotEqual(result.returncode, 0)
            self.assertRegex(result.stderr, "(?i)access denied|not allowed|rejected"
                             if self.door == "bus" else "(?i)unknown|no such|does not exist|doesn.t exist")

    def test_properties_are_for_reading(self):
        for who in ("bob", "root"):
            result = self.busctl(who, "set-property", harness.NAME, harness.PATH, harness.NAME, "LockCount", "u",
                                 "7")
            self.assertNotEqual(result.returncode, 0)
        self.assertEqual(self.me.get("LockCount"), 0)

    def test_nobody_takes_the_name(self):
        for who in ("bob", "root", "carol"):
            result = self.busctl(who, "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "RequestName", "su", harness.NAME, "3")
            self.assertNotEqual(result.returncode, 0, result.stdout)
        self.assertTrue(self.service.owns_name())


if __name__ == "__main__":
    harness.main()
