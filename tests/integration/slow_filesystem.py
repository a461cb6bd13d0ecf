# SPDX-License-Identifier: MIT
"""A filesystem whose server does not answer: only the calls that name it wait, and not for ever."""
import contextlib
import os
import signal
import subprocess

import harness
from harness import until

# As in src/core/worker.c; the main thread and GDBus's own besides.
MAX_WORKERS = 8
OTHERS = harness.NOBODY


class Mount:
    def __init__(self, case, path):
        self.path = path
        self.process = subprocess.Popen(
            [os.path.join(harness.BUILD, "tests", "faults", "test-slow-mount"), path], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=harness._die_with_parent)
        case.addCleanup(self.end)
        case.assertEqual(self.process.stdout.readline(), b"mounted\n")

    def order(self, words):
        self.process.stdin.write(words.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().split()

    def stall(self, answer=0, operations=()):
        """It sleeps after so many more requests (of these operations)."""
        assert self.order(f"sleep {answer} {' '.join(operations)}") == ["sleep"]

    def asleep(self):
        """The operations that wait for an answer."""
        return self.order("asleep")

    def asked(self):
        """The operations that were asked for since this was called last."""
        return self.order("asked")

    def go_on(self):
        assert self.order("wake") == ["wake"]

    def end(self):
        """Whoever waits for it gets an error."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        harness._libc.umount2(os.fsencode(self.path), harness._MNT_DETACH)


class Case(harness.Case):
    door = "direct"
    config = {"DetectAgents": "true"}

    def setUp(self):
        super().setUp()
        self.mount = Mount(self, self.directory("slow"))
        self.slow = f"{self.mount.path}/project"

    def threads(self):
        return len(os.listdir(f"/proc/{self.service.process.pid}/task"))

    def processor_time(self):
        with open(f"/proc/{self.service.process.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def everything_works(self, *stuck):
        """Each method, for others, and deaths; and the stuck calls have not ended meanwhile."""
        place = self.directory("quick")
        agent, lock = self.holder(place)
        other = self.agent(place)
        self.refused("Held", other.acquire, place)
        waiting = other.begin_acquire(place, conflict="wait", ticket="t")
        until(lambda: self.me.get("WaiterCount") >= 1, "the waiter")
        self.assertEqual([held["id"] for held in self.me.list(directory=place)], [lock])
        self.assertEqual(self.me.check(place)[0], False)
        self.assertIn(agent.pid, [there["pid"] for there in self.me.call("Occupants", place)[0]])
        self.assertEqual(other.call("Cancel", "t"), (True,))
        self.refused("Cancelled", waiting.value)
        heir = self.agent(place)
        agent.call("Transfer", lock, harness.options(pid=heir.pid))
        heir.die()
        self.me.wait_released(lock, "exited")
        claim = self.me.acquire(place, manual=True)
        self.assertEqual(self.me.release(id=claim), 1)
        for call in stuck:
            self.assertFalse(call.done(), "it was to be stuck")


class OneCall(Case):
    def test_it_works_while_the_server_does(self):
        agent, lock = self.holder(self.slow)
        self.assertEqual(self.me.lock(lock)["directory"], self.slow)
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")
        agent.chdir("/")
        self.me.wait_released(lock, "left")

    def stuck_calls(self):
        """What names the directory, in each method that takes one."""
        agents = [self.agent("/") for _ in range(5)]
        return [agents[0].begin_acquire(self.slow, manual=True), agents[1].begin_call("Check", self.slow),
                agents[2].begin_call("Occupants", self.slow),
                agents[3].begin_call("Release", self.slow, harness.options()),
                agents[4].begin_call("List", harness.options(under=self.slow))]

    def test_others_are_served_and_it_ends_in_an_error(self):
        self.mount.stall()
        for call in (lambda agent: agent.begin_acquire(self.slow, manual=True),
                     lambda agent: agent.begin_call("Check", self.slow)):
            stuck = call(self.agent("/"))
            self.everything_works(stuck)
            error = self.refused("Unavailable", stuck.value)
            self.assertIn("does not respond", error.message)
        self.assertEqual(self.me.list(), [])
        self.mount.go_on()
        agent = self.agent("/")
        lock = agent.acquire(self.slow, manual=True)
        self.assertEqual(self.me.lock(lock)["directory"], self.slow)

    def test_a_wait_is_cancelled_before_it_has_come_to_wait(self):
        agent, other = self.agent("/"), self.agent("/")
        self.mount.stall()
        stuck = [agent.begin_acquire(self.slow, follow_cwd=False, conflict="wait", ticket=ticket)
                 for ticket in ("one", "two")]
        until(self.mount.asleep, "that it is looked for")
        self.assertEqual(other.call("Cancel", "one"), (False,))
        self.assertEqual(agent.call("Cancel", "one"), (True,))
        self.refused("Cancelled", stuck[0].value)
        self.assertFalse(stuck[1].done())
        self.mount.go_on()
        self.assertEqual(self.me.lock(stuck[1].value()[0])["pid"], agent.pid)
        self.assertEqual(agent.call("Cancel", "one"), (False,))
        self.assertEqual(self.me.get("LockCount"), 1)

    def test_each_method_ends(self):
        """Two hang, the others wait for their turn; all end within the time of one."""
        self.mount.stall()
        stuck = self.stuck_calls()
        self.everything_works()
        for number, call in enumerate(stuck):
            try:
                value = call.value()
            except harness.Refused as error:
                self.assertIn(error.name, ("Unavailable", "InvalidDirectory"), error.message)
            else:
                # These know without the filesystem: by what is in the table, and what /proc says.
                self.assertIn(number, (2, 4), value)
        self.mount.go_on()
        for call in self.stuck_calls():
            with contextlib.suppress(harness.Refused):
                call.value()

    def test_it_goes_on_where_it_was(self):
        """The server is back before the time is up."""
        self.mount.stall()
        agent = self.agent("/")
        stuck = agent.begin_acquire(self.slow, manual=True)
        self.everything_works(stuck)
        self.mount.go_on()
        lock = stuck.value()[0]
        self.assertEqual(self.me.lock(lock)["directory"], self.slow)

    def test_whoever_hangs_up_gets_nothing(self):
        self.mount.stall()
        agent = self.agent("/")
        agent.begin_acquire(self.slow, manual=True)
        self.everything_works()
        descriptors = f"/proc/{self.service.process.pid}/fd"
        before = len(os.listdir(descriptors))
        agent.die()
        until(lambda: len(os.listdir(descriptors)) < before, "its connection's end")
        self.mount.go_on()
        # Its turn was before this one's.
        second = self.agent("/")
        lock = second.acquire(f"{self.mount.path}/other", manual=True)
        self.assertEqual([held["id"] for held in self.me.list()], [lock])

    @staticmethod
    def is_zombie(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"

    def without_leak_check(self):
        """LeakSanitizer, where it is built in, stops every thread at the end, and so would wait for one that hangs."""
        self.service.stop()
        self.service.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.service.start()
        self.me = self.client()

    def test_a_stop_does_not_wait_for_it(self):
        """The kernel keeps a thread until the server answers or dies, and so what is left of the process; the
        next service need not wait for that."""
        self.without_leak_check()
        held, lock = self.holder(self.directory("held"))
        self.mount.stall()
        stuck = self.agent("/").begin_acquire(self.slow, manual=True)
        self.everything_works(stuck)
        first, self.service.process = self.service.process, None
        self.addCleanup(first.wait)
        self.addCleanup(self.mount.end)
        first.terminate()
        self.assertIn("stopping", self.refused("Unavailable", stuck.value).message)
        until(lambda: self.is_zombie(first.pid), "the end of all of it but the thread that hangs")
        self.service.start()
        self.me = self.client()
        self.assertEqual([held["id"] for held in self.me.list()], [lock])
        self.everything_works()
        held.kill()
        self.me.wait_released(lock, "exited")
        self.mount.end()
        until(lambda: first.poll() is not None, "the end of the first one")
        self.assertEqual(first.returncode, 0)


class Killed(Case):
    """The service is killed while a thread of it hangs. The kernel keeps that, and with it the lock on the
    instance file, the socket and the name on the bus, until the server answers; nobody waits for that."""

    door = "bus"

    def setUp(self):
        super().setUp()
        self.hanging = []
        self.addCleanup(self.let_go)

    def let_go(self):
        for mount, _ in self.hanging:
            mount.end()
        for _, process in self.hanging:
            until(lambda process=process: process.poll() is not None, "the end of who hung")

    def owner(self):
        return self.me.connection.call_sync(
            "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
            harness.GLib.Variant("(s)", (harness.NAME,)), None, 0, -1, None).unpack()[0]

    def kill_while_it_hangs(self):
        mount = Mount(self, self.directory(f"mount-{len(self.agents)}"))
        caller = self.agent("/", door="direct")
        mount.stall()
        caller.begin_acquire(f"{mount.path}/project", manual=True)
        until(mount.asleep, "the question")
        process, self.service.process = self.service.process, None
        self.hanging.append((mount, process))
        process.kill()
        until(lambda: OneCall.is_zombie(process.pid), "the end of all of it but the thread that hangs")

    def start_the_next(self):
        process = self.service.process = self.service.launch()
        until(lambda: process.poll() is not None or self.owner() == process.pid,
              lambda: f"the name; it is owned by {self.owner()}; {self.service.log()}")
        self.service.wait_ready()

    def test_the_next_one_takes_its_place(self):
        held, lock = self.holder(self.directory("held"))
        # And again: now the first one is next in the queue for the name.
        for _ in range(2):
            self.kill_while_it_hangs()
            self.start_the_next()
            self.assertIn("taking its place", self.service.log())
            self.assertEqual(self.me.lock(lock)["pid"], held.pid)
            self.everything_works()
        # Clean stops and starts beside it: only the name has to be taken.
        self.service.stop()
        self.start_the_next()
        second = self.service.launch()
        until(lambda: second.poll() is not None, "its refusal")
        self.assertNotEqual(second.returncode, 0)
        held.kill()
        self.me.wait_released(lock, "exited")
        self.let_go()
        self.assertEqual(self.owner(), self.service.process.pid)
        self.everything_works()

    def test_two_who_see_it(self):
        self.kill_while_it_hangs()
        both = [self.service.launch() for _ in range(6)]
        until(lambda: len([one for one in both if one.poll() is None]) == 1, "the end of all but one")
        self.service.process, = [one for one in both if one.poll() is None]
        until(lambda: self.owner() == self.service.process.pid, "the name")
        for folder in (self.service.runtime, self.service.state):
            self.assertNotIn("instance.new", os.listdir(folder))
        self.everything_works()

    def test_its_main_thread_hangs(self):
        """In the user's own folder of agents, read again. Whatever its last call was, it may still happen."""
        mount = Mount(self, self.directory("config"))
        self.service.stop()
        environment = self.service.environment
        self.service.environment = {**environment, "XDG_CONFIG_HOME": mount.path}
        self.service.start()
        _, lock = self.holder(self.directory("held"))
        mount.stall()
        self.service.process.send_signal(signal.SIGHUP)
        until(mount.asleep, "the question")
        process, self.service.process = self.service.process, None
        self.hanging.append((mount, process))
        process.kill()
        until(lambda: len(os.listdir(f"/proc/{process.pid}/task")) == 1, "the end of all but the main thread")
        self.service.environment = environment
        for arguments in ((), ("--replace",)):
            second = self.service.launch(*arguments)
            until(lambda second=second: second.poll() is not None, "its refusal")
            self.assertEqual(second.returncode, 1)
        self.assertEqual(self.service.log().count(f"(pid {process.pid}) that served"), 2, self.service.log())
        self.assertIn("a call of its main thread", self.service.log())
        self.let_go()
        self.service.start()
        self.assertEqual(self.me.lock(lock)["id"], lock)

    def test_who_only_looks_dead(self):
        """A service that is stopped (SIGSTOP) is alive."""
        harness.hold(self.service.process)
        second = self.service.launch()
        until(lambda: second.poll() is not None, "its refusal")
        self.assertIn(f"(pid {self.service.process.pid}) serves", self.service.log())
        os.kill(self.service.process.pid, signal.SIGCONT)
        self.me.get("Version")


class EachStep(Case):
    """The server falls asleep at each of the questions that a call puts to it, one after the other."""

    # Rounds put none meanwhile.
    config = {"DetectAgents": "true", "CwdCheckSec": 3600}

    def new_mount(self):
        self.number = getattr(self, "number", 0) + 1
        mount = Mount(self, self.directory(f"mount-{self.number}"))
        mount.project = f"{mount.path}/project"
        mount.agent = self.agent("/")
        return mount

    # Each prepares a mount and returns what begins the call.

    def claim(self, mount):
        return lambda: mount.agent.begin_acquire(mount.project, manual=True)

    def claim_below(self, mount):
        return lambda: mount.agent.begin_acquire(f"{mount.project}/src", manual=True, subtree=True, shared=True)

    def acquire(self, mount):
        mount.agent.chdir(mount.project)
        return lambda: mount.agent.begin_acquire(mount.project)

    def acquire_by_descriptor(self, mount):
        mount.agent.chdir(mount.project)
        directory = mount.agent.open("directory", mount.project)
        return lambda: mount.agent.begin_call("Acquire", "", {"directory-fd": harness.GLib.Variant("h", directory)})

    def transfer(self, mount):
        giver = self.agent("/")
        lock = giver.acquire(mount.project, manual=True)
        mount.agent.chdir(mount.project)
        mount.expected = [lock]
        return lambda: giver.begin_call("Transfer", lock, harness.options(pid=mount.agent.pid))

    def release(self, mount):
        mount.expected = [mount.agent.acquire(mount.project, manual=True)]
        return lambda: mount.agent.begin_call("Release", mount.project, {})

    def steps_of(self, prepare):
        """The questions of the call, in order, of a server that answers."""
        mount = self.new_mount()
        begin = prepare(mount)
        mount.asked()
        begin().value()
        steps = mount.asked()
        mount.end()
        self.me.wait_signal("LockAcquired")
        self.start_over()
        return steps

    def start_over(self):
        for lock in self.me.list():
            self.me.release(id=lock["id"], force=True)
        self.assertEqual(self.me.list(), [])

    def every_step(self, prepare, *must):
        steps = self.steps_of(prepare)
        print(f"# {prepare.__name__}: {' '.join(steps)}", flush=True)
        for operation in must:
            self.assertIn(operation, steps)
        self.woken_in_time(prepare, steps)
        self.never_woken(prepare, steps)

    def sleeping(self, prepare, step):
        mount = self.new_mount()
        mount.expected = []
        begin = prepare(mount)
        held = self.me.list()
        mount.stall(step)
        call = begin()
        until(mount.asleep, f"question {step}")
        self.assertFalse(call.done())
        self.assertEqual([lock["id"] for lock in self.me.list()], [lock["id"] for lock in held])
        return mount, call

    def woken_in_time(self, prepare, steps):
        for step, operation in enumerate(steps):
            with self.subTest(f"{prepare.__name__} sleeps at {step}: {operation}"):
                mount, call = self.sleeping(prepare, step)
                self.assertEqual(mount.asleep(), [operation])
                agent, lock = self.holder(self.directory("quick"))
                agent.die()
                self.me.wait_released(lock, "exited")
                self.assertFalse(call.done())
                mount.go_on()
                call.value()
                mount.end()
                self.start_over()

    def never_woken(self, prepare, steps):
        """All at once, since each takes its time to end."""
        stuck = [self.sleeping(prepare, step) for step in range(len(steps))]
        self.everything_works()
        for (mount, call), operation in zip(stuck, steps):
            with self.subTest(f"{prepare.__name__} ends at {operation}"):
                error = self.refused("Unavailable", call.value)
                self.assertIn("does not respond", error.message)
        expected = [lock for mount, _ in stuck for lock in mount.expected]
        self.assertEqual([lock["id"] for lock in self.me.list()], expected)
        for mount, _ in stuck:
            mount.go_on()
        for mount, _ in stuck:
            self.assertEqual(self.me.check(mount.project)[0], not mount.expected)
            mount.end()
        self.start_over()

    def test_claim(self):
        self.every_step(self.claim, "lookup", "access")

    def test_claim_below(self):
        self.every_step(self.claim_below, "lookup", "access")

    def test_acquire(self):
        self.every_step(self.acquire, "lookup", "access")

    def test_acquire_by_descriptor(self):
        self.every_step(self.acquire_by_descriptor, "access")

    def test_transfer(self):
        self.every_step(self.transfer)

    def test_release(self):
        self.every_step(self.release, "lookup")

    def test_release_by_id_asks_nothing(self):
        mount = self.new_mount()
        lock = mount.agent.acquire(mount.project, manual=True)
        mount.stall()
        self.assertEqual(mount.agent.release(id=lock), 1)
        self.me.wait_released(lock, "released")
        self.assertEqual(mount.asleep(), [])


class Stop(harness.Case):
    """A stop leaves no call without an answer, through either door, wherever the call is."""

    config = {"DetectAgents": "true"}

    def setUp(self):
        super().setUp()
        self.mount = Mount(self, self.directory("slow"))
        self.slow = f"{self.mount.path}/project"

    def test_calls_everywhere(self):
        agents = {door: [self.agent("/", door=door) for _ in range(7)] for door in ("bus", "direct")}
        place = self.directory("quick")
        held = self.holder(place)[1]
        heir = self.agent(self.slow)
        self.mount.stall()
        # Two of one user's run in threads and hang, the others wait for a thread.
        calls = []
        for some in agents.values():
            calls += [some[0].begin_acquire(self.slow, manual=True), some[1].begin_call("Check", self.slow),
                      some[2].begin_call("Occupants", self.slow),
                      some[3].begin_call("Release", self.slow, harness.options()),
                      some[4].begin_acquire(self.slow, pid=heir.pid),
                      some[5].begin_acquire(place, manual=True, conflict="wait"),
                      some[6].begin_acquire(place, manual=True, conflict="wait", timeout=3_600_000)]
        until(lambda: self.me.get("WaiterCount") == 4, "the waiters")
        first, self.service.process = self.service.process, None
        self.addCleanup(first.wait)
        self.addCleanup(self.mount.end)
        first.terminate()
        for call in calls:
            self.assertIn("stopping", self.refused("Unavailable", call.value).message)
        self.mount.end()
        until(lambda: first.poll() is not None, "its end")
        self.assertEqual(first.returncode, 0, self.service.log())
        self.service.start()
        self.assertEqual([lock["id"] for lock in self.client().list()], [held])


class Holders(Case):
    def test_a_holder_on_it_keeps_its_lock(self):
        agent, lock = self.holder(self.slow)
        sleeper, other = self.holder(f"{self.mount.path}/other", follow_cwd=False)
        claim = self.me.acquire(f"{self.mount.path}/third", manual=True)
        self.mount.stall()
        # Rounds ask, get no answer, and are told so.
        self.everything_works()
        until(lambda: self.me.lock(lock)["cwd"] in ("unknown", "inside"), "a round")
        self.assertEqual([held["id"] for held in self.me.list()], [lock, other, claim])

        # It goes to where nothing can be seen of it.
        changed = len(self.me.signals)
        agent.begin("chdir", f"{self.mount.path}/elsewhere")
        self.rounds_pass()
        self.assertIsNotNone(self.me.lock(lock))
        self.assertEqual([s for s in self.me.signals[changed:] if s.id == lock and s.name == "LockReleased"], [])
        self.mount.go_on()
        self.me.wait_released(lock, "left")

        # Deaths are noticed there, too.
        self.mount.stall()
        sleeper.kill()
        self.me.wait_released(other, "exited")
        self.mount.go_on()
        self.assertEqual(self.me.release(id=claim), 1)

    def test_unknown_while_nothing_can_be_seen(self):
        """Moved to another directory of the mount before the server stopped, between two rounds."""
        self.service.configure(CwdCheckSec=3600, CwdGraceSec=0)
        self.service.process.send_signal(signal.SIGHUP)
        until(lambda: "Reloaded" in self.service.log(), "the new configuration")
        agent, lock = self.holder(self.slow)
        agent.chdir(f"{self.mount.path}/elsewhere")
        self.mount.stall()
        self.service.configure(CwdCheckSec=0.1, CwdGraceSec=0)
        self.service.process.send_signal(signal.SIGHUP)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("cwd") == "unknown")
        self.assertEqual(self.me.lock(lock)["cwd"], "unknown")
        self.rounds_pass()
        self.assertEqual(self.me.lock(lock)["cwd"], "unknown")
        self.mount.go_on()
        self.me.wait_released(lock, "left")

    def test_a_restart_while_it_does_not_answer(self):
        agent, lock = self.holder(self.slow)
        claim = self.me.acquire(f"{self.mount.path}/third", manual=True)
        self.mount.stall()
        self.service.kill()
        self.service.start()
        self.me = self.client()
        self.everything_works()
        self.assertEqual([held["id"] for held in self.me.list()], [lock, claim])
        self.mount.go_on()
        until(lambda: self.me.lock(lock)["cwd"] == "inside", "a look at where it is")
        agent.kill()
        self.me.wait_released(lock, "exited")


class Many(Case):
    def test_threads_are_bounded(self):
        before = self.threads()
        self.mount.stall()
        callers = [self.agent("/") for _ in range(5)]
        stuck = [caller.begin_acquire(f"{self.slow}-{number}-{call}", manual=True)
                 for number, caller in enumerate(callers) for call in range(20)]
        most = 0

        def all_ended():
            nonlocal most
            most = max(most, self.threads())
            return all(call.done() for call in stuck)
        self.everything_works()
        until(all_ended, "the end of all calls")
        self.assertLessEqual(most, before + MAX_WORKERS)
        self.assertGreater(most, 1)
        for call in stuck:
            self.assertIn(self.assertRaises_(call), ("Unavailable", "LimitExceeded"))
        spent = self.processor_time()
        self.rounds_pass()
        self.assertLess(self.processor_time() - spent, 5 * os.sysconf("SC_CLK_TCK"))
        self.mount.go_on()
        until(lambda: self.threads() <= before, "the threads' end")
        self.assertEqual(self.me.list(), [])

    def assertRaises_(self, call):
        try:
            value = call.value()
        except harness.Refused as error:
            return error.name
        return self.fail(f"it should not have worked: {value}")


class Users(Case):
    """One user's stuck calls are not another's. As root: there must be several users."""

    def setUp(self):
        self.autostart = False
        super().setUp()
        os.chmod(self.service.runtime, 0o755)
        command = self.service.command
        self.service.command = lambda *more: [word if word != "--user" else "--system"
                                              for word in command(*more)]
        self.service.arguments.append("--no-bus")
        self.service.start()
        self.me = self.client()

    def test_one_user_does_not_starve_another(self):
        good = Mount(self, self.directory("good"))
        self.mount.stall()
        callers = [self.agent("/", uid=OTHERS) for _ in range(5)]
        stuck = [caller.begin_acquire(f"{self.slow}-{number}-{call}", manual=True)
                 for number, caller in enumerate(callers) for call in range(20)]
        self.everything_works()
        # What needs a thread as well.
        agent = self.agent("/", uid=OTHERS - 1)
        lock = agent.acquire(f"{good.path}/project", manual=True)
        self.assertEqual(self.me.lock(lock)["uid"], OTHERS - 1)
        # (The filesystem that answers needs one, for it asks a server.)
        self.assertTrue(any(not call.done() for call in stuck), "they were to be stuck meanwhile")
        until(lambda: all(call.done() for call in stuck), "the end of all calls")
        for call in stuck:
            self.assertRaises(harness.Refused, call.value)
        self.assertEqual([held["id"] for held in self.me.list()], [lock])
        self.mount.go_on()

    def test_a_descriptor_that_cannot_be_closed(self):
        """To close a file is to wait for its server (FUSE_FLUSH), whoever it is handed to."""
        caller = self.agent("/", uid=OTHERS)
        file = caller.open("file", f"{self.mount.path}/a-file")
        self.mount.stall()
        self.refused("InvalidDirectory", caller.acquire, "", directory_fd=file, manual=True)
        self.refused("InvalidOption", caller.acquire, "/", pidfd=file, follow_cwd=False)
        self.refused("InvalidDirectory", caller.release, directory_fd=file)
        self.everything_works()

        # Who goes on has to stop some time, and others need not.
        stuck = [caller.begin_acquire("", directory_fd=file, manual=True) for _ in range(400)]
        for call in stuck:
            self.assertRaises(harness.Refused, call.value)
        self.assertRaises(harness.Refused, caller.connect, 1)
        self.everything_works()
        self.mount.go_on()
        until(lambda: self.is_let_in(caller), "what hung to be closed")
        self.assertEqual(caller.call("List", {}, slot=1), ([],))

    @staticmethod
    def is_let_in(caller):
        with contextlib.suppress(harness.Refused):
            caller.connect(1)
            return True
        return False

    def test_a_transfer_is_judged_when_it_is_made(self):
        """Whose lock it was when the filesystem was asked need not be whose it is when it has answered."""
        place = f"{self.slow}/place"
        giver, heir = self.agent(place, uid=OTHERS), self.agent(f"{place}/below", uid=OTHERS)
        lock = giver.acquire(place, follow_cwd=False)
        self.mount.stall()
        given = giver.begin_call("Transfer", lock, harness.options(pid=heir.pid, follow_cwd=True))
        self.everything_works(given)
        stranger = self.agent("/", uid=OTHERS - 1)
        self.me.call("Transfer", lock, harness.options(pid=stranger.pid, force=True, follow_cwd=False))
        self.assertFalse(given.done())
        self.mount.go_on()
        self.refused("NotPermitted", given.value)
        self.assertEqual((self.me.lock(lock)["pid"], self.me.lock(lock)["uid"]), (stranger.pid, OTHERS - 1))

    def test_a_transfer_of_what_was_released_meanwhile(self):
        place = f"{self.slow}/place"
        giver, heir = self.agent(place, uid=OTHERS), self.agent(f"{place}/below", uid=OTHERS)
        lock = giver.acquire(place, follow_cwd=False)
        self.mount.stall()
        given = giver.begin_call("Transfer", lock, harness.options(pid=heir.pid, follow_cwd=True))
        self.everything_works(given)
        self.assertEqual(self.me.release(id=lock, force=True), 1)
        self.mount.go_on()
        self.refused("NotFound", given.value)
        self.assertEqual(self.me.list(), [])


if __name__ == "__main__":
    harness.have_mounts_of_our_own()
    harness.main()
