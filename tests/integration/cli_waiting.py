# SPDX-License-Identifier: MIT
"""agentctl-locks, the command line: sharing, waiting, taking, and what a person sees meanwhile."""
import os
import re
import signal

import harness
import terminal
from harness import BUILD, both_doors, until

WAITING = re.compile(r"\[(\d+)s\] waiting for (.*)")


@both_doors
class Modes(harness.Case):
    def test_shared(self):
        place = self.directory()
        for _ in range(2):
            done = self.command_line("claim", "--shared", place)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([lock["shared"] for lock in self.me.list()], [True, True])
        self.assertEqual(self.command_line("claim", place).returncode, 75)
        agent = self.agent(place)
        done = self.command_line("acquire", "--shared", f"--pid={agent.pid}", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.command_line("acquire", f"--pid={agent.pid}", place).returncode, 75)

    def test_subtree(self):
        place, below = self.directory(), self.directory("project/below")
        done = self.command_line("claim", "--subtree", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.me.list()[0]["subtree"])
        refused = self.command_line("run", below, "--", "true")
        self.assertEqual(refused.returncode, 75)
        self.assertIn("with everything below", refused.stderr)
        self.assertEqual(self.command_line("release", place).returncode, 0)
        self.assertEqual(self.command_line("claim", below).returncode, 0)
        self.assertEqual(self.command_line("claim", place).returncode, 0)
        self.assertEqual(self.command_line("run", "--subtree", place, "--", "true").returncode, 75)

    def test_join(self):
        place = self.directory()
        _, lock = self.holder(place)
        done = self.command_line("run", "--join", place, "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([one["id"] for one in self.me.list()][0], lock)
        self.assertEqual(self.me.counters()["acquired"], 2)

    def test_steal(self):
        place = self.directory()
        _, lock = self.holder(place)
        done = self.command_line("claim", "--steal", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.me.wait_released(lock, "stolen")
        self.assertEqual([one["kind"] for one in self.me.list()], ["manual"])

    def test_transfer(self):
        place = self.directory()
        launcher, lock = self.holder(place)
        child = self.agent(place)
        code, _, err = launcher.spawn(" ".join([os.path.join(BUILD, "src", "client", "agentctl-locks"), "transfer",
                                                f"--address={self.service.address(self.door)}", f"--id={lock}",
                                                f"--pid={child.pid}"]))
        self.assertEqual((code, err), (0, ""))
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("pid") == child.pid)
        refused = self.command_line("transfer", f"--id={lock}", f"--pid={launcher.pid}")
        self.assertNotEqual(refused.returncode, 0, "by a stranger")
        self.assertEqual(self.me.lock(lock)["pid"], child.pid)


@both_doors
class Display(harness.Case):
    def screen(self, *arguments, columns=200, **given):
        command = [os.path.join(BUILD, "src", "client", "agentctl-locks"), arguments[0],
                   f"--address={self.service.address(self.door)}", *arguments[1:]]
        return terminal.Screen(self, command, self.service.environment, columns, **given)

    def sees(self, screen, who, place):
        """Waits until the last line says that it waits for whom, and where; the seconds it shows."""
        def find():
            found = WAITING.fullmatch(screen.lines()[-1])
            return found if found and who in found[2] and place in found[2] else None
        return int(until(find, lambda: f"{who} on {screen.lines()}")[1])

    def test_on_a_terminal(self):
        """Whom it waits for, and for how long, in one line that is kept true."""
        place = self.directory()
        holder, lock = self.holder(place, agent="claude", reason="deploy")
        screen = self.screen("claim", "--wait", place)
        begun = self.sees(screen, f"claude (pid {holder.pid})", place)
        self.sees(screen, "deploy", place)
        until(lambda: self.sees(screen, "claude", place) > begun + 1, lambda: f"time passing on {screen.lines()}")
        self.assertGreater(screen.updates, 1)
        # Somebody takes it: the line is about him from now on.
        thief = self.agent(place)
        stolen = thief.acquire(place, conflict="steal")
        self.me.wait_released(lock, "stolen")
        self.sees(screen, f"test-agent (pid {thief.pid})", place)
        self.assertEqual(len(screen.lines()), 1, "all of it in one line")
        # A narrow one, in the midst of it.
        screen.resize(30)
        until(lambda: 0 < len(terminal.cells_of(screen.lines()[-1])) < 30, lambda: f"a short line: {screen.lines()}")
        thief.release(id=stolen)
        until(lambda: screen.process.poll() is not None, "its turn")
        self.assertEqual(screen.process.returncode, 0)
        self.assertRegex(screen.lines()[0], "^Claimed ")

    def test_elsewhere_it_says_so_once(self):
        place = self.directory()
        holder, _ = self.holder(place)
        process = self.start_command_line("claim", "--wait", place)
        self.assertRegex(process.stdout.readline().decode(), "^agentctl-locks: waiting for test-agent "
                         rf"\(pid {holder.pid}\): {place} \(there for \d+s\)\n$")
        thief = self.agent(place)
        stolen = thief.acquire(place, conflict="steal")
        self.assertEqual(self.me.wait_signal("LockAcquired", stolen).lock["waiters"], 1)
        thief.release(id=stolen)
        rest, _ = process.communicate(timeout=harness.LIMIT)
        self.assertEqual(process.returncode, 0)
        self.assertNotIn(b"waiting", rest)

    def test_ctrl_c(self):
        place = self.directory()
        holder, lock = self.holder(place)
        screen = self.screen("claim", "--wait", place)
        self.sees(screen, str(holder.pid), place)
        self.assertEqual(self.me.get("WaiterCount"), 1)
        screen.type(b"\x03")
        until(lambda: screen.process.poll() is not None, "its end")
        self.assertEqual(screen.process.returncode, -signal.SIGINT)
        self.assertNotIn("waiting", screen.lines()[-1])
        # It says that it does not wait any more and goes when that is answered, or after two seconds.
        until(lambda: self.me.get("WaiterCount") == 0, "the end of the wait")
        self.assertEqual([one["id"] for one in self.me.list()], [lock])

    def test_never_for_oneself(self):
        """Who shares it and asks for more waits for the others."""
        place = self.directory()
        mine, _ = self.holder(place, shared=True)
        other, _ = self.holder(place, shared=True)
        screen = self.screen("acquire", "--wait", f"--pid={mine.pid}", place)
        self.sees(screen, f"(pid {other.pid})", place)
        other.die()
        until(lambda: screen.process.poll() is not None, "its turn")
        self.assertEqual([one["shared"] for one in self.me.list()], [False])

    def test_behind_others(self):
        """Who shares does not wait for who shares, but for others in the line."""
        place = self.directory()
        sharer, lock = self.holder(place, shared=True)
        first = self.start_command_line("claim", "--wait", place)
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("waiters") == 1)
        screen = self.screen("claim", "--wait", "--shared", place)
        self.sees(screen, "my turn", f"{place} (others came first)")
        self.assertNotIn(str(sharer.pid), screen.lines()[-1])
        sharer.die()
        self.assertEqual(first.wait(), 0)
        # Now it is somebody who is in its way.
        self.sees(screen, "a claim of", place)
        self.assertEqual(self.command_line("release", place).returncode, 0)
        until(lambda: screen.process.poll() is not None, "its turn")
        self.assertEqual([one["shared"] for one in self.me.list()], [True])

    def test_for_those_below(self):
        place, below = self.directory(), self.directory("project/below")
        above, there = self.holder(place)[0], self.holder(below)[0]
        screen = self.screen("claim", "--wait", "--subtree", place)
        self.sees(screen, f"test-agent (pid {above.pid})", place)
        until(lambda: "1 other in the way" in screen.lines()[-1], lambda: f"the other on {screen.lines()}")
        above.die()
        self.sees(screen, f"test-agent (pid {there.pid})", place)

    def test_a_name_that_is_no_text(self):
        place = os.fsencode(self.directory()) + b"/\xff"
        os.mkdir(place)
        self.assertEqual(self.command_line("claim", place).returncode, 0)
        screen = self.screen("claim", "--wait", place)
        self.sees(screen, "my turn", os.fsdecode(os.path.dirname(place)))

    def test_the_time_that_was_given_is_the_time_that_is_told(self):
        place = self.directory()
        self.holder(place)
        done = self.command_line("claim", "--wait=0.3", place)
        self.assertEqual(done.returncode, 75)
        self.assertIn("0.3 s", done.stderr)


if __name__ == "__main__":
    harness.main()
