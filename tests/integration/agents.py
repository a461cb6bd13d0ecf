# SPDX-License-Identifier: MIT
"""Who is really there: agents that never asked for a lock, hooks that ask for the agent above them, and what the
service makes of a process.

These tests live in a PID namespace of their own, so that whoever is seen is one of theirs.
"""
import json
import os
import subprocess
import sys

if __name__ == "__main__" and os.getpid() != 1:
    # proc(5) has to be mounted anew to show the new namespace; who is not root needs a user namespace for that.
    namespaces = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    os.execvp("unshare", ["unshare", *namespaces, "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                          *sys.argv])

import harness  # noqa: E402
from agent_programs import TEST_AGENT, Case  # noqa: E402
from harness import both_doors, lines_of, until  # noqa: E402


@both_doors
class InTheWay(Case):
    def test_held_names_it(self):
        place = self.directory()
        claude = self.claude(place)
        self.seen(place, claude.pid)
        error = self.refused("Held", self.agent(place).acquire, place)
        for word in (place, "unregistered", "claude", str(claude.pid)):
            self.assertIn(word, error.message)
        free, blockers = self.me.check(place)
        self.assertFalse(free)
        self.assertEqual(blockers, [{"kind": "unregistered", "pid": claude.pid, "uid": os.geteuid(),
                                     "command": "claude", "agent": "claude", "directory": place}])
        claude.kill()
        claude.wait()
        self.assertEqual(self.me.check(place), (True, []))

    def test_the_shapes(self):
        self.script("bin/gemini", "setInterval(() => {}, 1 << 30);")
        self.script("modules/aider/__init__.py", "")
        self.script("modules/aider/__main__.py", "import time\ntime.sleep(10000)\n")
        version = self.program("share/claude/versions/2.1.0")
        shapes = {
            "claude": [version, "--resume"],
            "opencode": [self.program("opencode")],
            "gemini": ["node", f"{self.programs}/bin/gemini"],
            "aider": ["python3", "-m", "aider", "--yes"],
        }
        for name, argv in shapes.items():
            with self.subTest(agent=name):
                place = self.directory(name)
                process = self.launch(*argv, cwd=place, environment={"PYTHONPATH": f"{self.programs}/modules"})
                self.seen(place, process.pid)
                self.assertEqual(self.me.check(place)[1][0]["agent"], name)
                self.assertIn("unregistered", self.refused("Held", self.agent(place).acquire, place).message)

    def test_an_agents_helpers_are_not(self):
        place = self.directory()
        daemon = self.claude(place, "daemon", "run")
        self.launch("sleep", "1000", cwd=place)
        until(lambda: daemon.pid in [p["pid"] for p in self.me.call("Occupants", place)[0]], "the helper")
        self.assertEqual(self.me.check(place), (True, []))
        self.holder(place)

    def test_below_and_above_are_free(self):
        place, below = self.directory(), self.directory("project/below")
        claude = self.claude(below)
        self.seen(below, claude.pid)
        self.assertTrue(self.me.check(place)[0])
        self.holder(place)
        self.assertTrue(self.me.check(self.directory("project/below/deeper"))[0])

    def test_who_does_not_look_goes_ahead(self):
        place = self.directory()
        self.seen(place, self.claude(place).pid)
        for given in ({"conflict": "join"}, {"conflict": "steal"}, {"detect_agents": False}, {"shared": True}):
            with self.subTest(**given):
                agent, lock = self.holder(place, **given)
                self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
                agent.die()
                self.me.wait_released(lock, "exited")
        self.refused("Held", self.agent(place).acquire, place, detect_agents=True)

    def test_the_configuration_decides_where_nobody_says(self):
        place = self.directory()
        self.seen(place, self.claude(place).pid)
        self.service.configure(DetectAgents="false")
        self.service.process.send_signal(1)  # SIGHUP
        until(lambda: self.me.check(place)[0], "the new configuration")
        self.refused("Held", self.agent(place).acquire, place, detect_agents=True)
        self.holder(place)

    def test_the_users_catalogue_goes_before_the_shipped_one(self):
        place = self.directory()
        claude, mine = self.claude(place), self.launch(self.program("mine"), cwd=place)
        self.seen(place, claude.pid)
        folder = f"{self.service.environment['XDG_CONFIG_HOME']}/agentctl-locks/agents.d"
        os.makedirs(folder)

        def read_again(*expected):
            self.service.process.send_signal(1)  # SIGHUP
            until(lambda: sorted((b["pid"], b["agent"]) for b in self.me.check(place)[1]) == sorted(expected),
                  "the new catalogue")
        # Another rule under the same name; a file of its own; none at all.
        with open(f"{folder}/claude.conf", "w", encoding="ascii") as file:
            file.write("[Agent]\nCommand=no-such-name;\n")
        with open(f"{folder}/mine.conf", "w", encoding="ascii") as file:
            file.write("[Agent]\nCommand=mine;\n")
        read_again((mine.pid, "mine"))
        os.unlink(f"{folder}/claude.conf")
        read_again((mine.pid, "mine"), (claude.pid, "claude"))
        os.symlink("/dev/null", f"{folder}/claude.conf")
        os.unlink(f"{folder}/mine.conf")
        read_again()

    def test_a_wait_ends_with_its_death(self):
        place = self.directory()
        claude = self.claude(place)
        self.seen(place, claude.pid)
        agent = self.agent(place)
        waiting = agent.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        self.rounds_pass()
        self.assertFalse(waiting.done())
        claude.kill()
        self.assertEqual(self.me.lock(waiting.value()[0])["pid"], agent.pid)

    def test_a_wait_ends_with_its_leaving(self):
        place = self.directory()
        claude = self.talking("claude", place)
        self.seen(place, claude.pid)
        agent = self.agent(place)
        waiting = agent.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        claude.chdir("/")
        self.assertEqual(self.me.lock(waiting.value()[0])["pid"], agent.pid)
        self.assertIsNone(claude.process.poll())

    def test_a_wait_runs_out(self):
        place = self.directory()
        self.seen(place, self.claude(place).pid)
        error = self.refused("TimedOut", self.agent(place).acquire, place, conflict="wait", timeout=50)
        self.assertIn("unregistered", error.message)

    def test_who_is_waited_for_is_told_once_and_where_it_is(self):
        place = self.directory()
        claude = self.claude(place)
        self.seen(place, claude.pid)
        self.agent(place).begin_acquire(place, conflict="wait", subtree=True)
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        os.mkdir(f"{place}/below")
        for where in (place, f"{place}/below"):
            free, blockers = self.me.check(where)
            self.assertFalse(free)
            self.assertEqual([(one["pid"], one["directory"]) for one in blockers], [(claude.pid, place)])

    def test_who_has_its_lock_keeps_it(self):
        """An agent that comes later is in the way of others, not of whom it found there."""
        place = self.directory()
        agent, lock = self.holder(place)
        claude = self.claude(place)
        self.seen(place, claude.pid)
        self.assertEqual(agent.acquire(place), lock)
        agent.die()
        self.me.wait_released(lock, "exited")
        self.refused("Held", self.agent(place).acquire, place)

    def test_those_who_wait_take_turns(self):
        """Who has asked and waits is no stranger to those before him, though he is there already."""
        place = self.directory()
        agents = [self.talking("claude", place) for _ in range(4)]
        turns = [agents[0].begin_acquire(place, conflict="join")]
        turns[0].result()
        for n, agent in enumerate(agents[1:], 1):
            turns.append(agent.begin_acquire(place, conflict="wait"))
            until(lambda n=n: self.me.get("WaiterCount") == n, "the queue")
        for agent, turn in zip(agents, turns):
            self.assertEqual(self.me.lock(turn.value()[0])["pid"], agent.pid)
            self.assertEqual([lock["pid"] for lock in self.me.list()], [agent.pid])
            agent.die()

    def test_who_is_waited_for_takes_his_turn(self):
        place = self.directory()
        claude = self.talking("claude", place)
        self.seen(place, claude.pid)
        agent = self.agent(place)
        waiting = agent.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        self.refused("Held", claude.acquire, place)
        turn = claude.begin_acquire(place, conflict="wait")
        lock = waiting.value()[0]
        self.assertFalse(turn.done())
        self.assertEqual([(one["id"], one["waiters"]) for one in self.me.list()], [(lock, 1)])
        agent.die()
        self.assertEqual(self.me.lock(turn.value()[0])["pid"], claude.pid)

    def test_who_let_go_and_stays_is_waited_for(self):
        place = self.directory()
        one, two = self.talking("claude", place), self.talking("claude", place)
        lock = one.acquire(place, conflict="join")
        waiting = two.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        one.release(place)
        self.me.wait_released(lock, "released")
        self.rounds_pass()
        self.assertFalse(waiting.done())
        one.chdir("/")
        self.assertEqual(self.me.lock(waiting.value()[0])["pid"], two.pid)

    def test_registered_it_is_no_outsider(self):
        place = self.directory()
        claude = self.talking("claude", place)
        lock = claude.acquire(place)
        self.assertEqual([(b["kind"], b["id"]) for b in self.me.check(place)[1]], [("process", lock)])


@both_doors
class Family(Case):
    def test_a_wrapper_that_dies_over_its_child(self):
        place = self.directory()
        wrapper = self.launch(self.command, "run", place, "--", "node", self.codex_npm(), "exec", "a task", cwd=place,
                              environment=self.at_address())
        lock = self.me.wait_signal("LockAcquired")
        self.assertEqual(lock.pid, wrapper.pid)
        native = self.child_of(wrapper.pid, "codex")
        wrapper.kill()
        wrapper.wait()
        self.me.wait_released(lock.id, "exited")
        error = self.refused("Held", self.agent(place).acquire, place)
        self.assertIn("unregistered", error.message)
        self.assertIn(f"pid {native}", error.message)
        agent = self.agent(place)
        waiting = agent.begin_acquire(place, conflict="wait")
        until(lambda: self.me.get("WaiterCount") == 1, "the wait")
        os.kill(native, 9)
        self.assertEqual(self.me.lock(waiting.value()[0])["pid"], agent.pid)

    def test_whose_an_orphan_was_cannot_be_told(self):
        place = self.directory()
        outer = self.talking("claude", place)
        outer.spawn(f"sh -c '{self.program('codex')} >/dev/null 2>&1 &'")
        inner = until(lambda: next((p["pid"] for p in self.me.call("Occupants", place)[0] if p["agent"] == "codex"),
                                   None), "the inner agent")
        # The shell between them has ended.
        self.assertIn(f"pid {inner}", self.refused("Held", outer.acquire, place).message)
        os.kill(inner, 9)
        until(lambda: len(self.me.check(place)[1]) == 1, "its end")
        self.assertEqual(self.me.lock(outer.acquire(place))["pid"], outer.pid)

    def nested(self, place):
        """An agent under another: a claude runs a shell, that runs a codex, and all of them live."""
        self.program("codex-talking/codex", TEST_AGENT)
        launcher = self.script("outer/claude.js", f"""
            const {{ spawn }} = require("node:child_process");
            spawn("sh", ["-c", "{self.programs}/codex-talking/codex; true"], {{ stdio: "inherit" }});
            process.title = "claude";
            """)
        start = self.script("outer/start", f"#!/bin/sh\nexec node {launcher}\n")
        agent = self.agent(place, program=start)
        agent.outer = agent.pid
        agent.pid = until(lambda: next((p["pid"] for p in self.me.call("Occupants", place)[0]
                                        if p["agent"] == "codex"), None), "the inner agent")
        return agent

    def test_nested(self):
        place = self.directory()
        inner = self.nested(place)
        self.seen(place, inner.outer)
        ask = f"{self.command} acquire --for-agent --quiet --address={self.service.address(self.door)}"
        # Neither is in the other's way without a lock; to everybody else both are.
        self.assertEqual({b["agent"] for b in self.me.check(place)[1]}, {"claude", "codex"})
        self.assertEqual(inner.spawn(f"sh -c '{ask}; exit $?'"), (0, "", ""))
        self.assertEqual([lock["pid"] for lock in self.me.list()], [inner.pid])
        self.me.release(id=self.me.list()[0]["id"], force=True)

        self.me.acquire(place, pid=inner.outer)
        self.assertEqual(inner.spawn(f"sh -c '{ask}; exit $?'")[0], 75)
        self.assertEqual(inner.spawn(f"sh -c '{ask} --join; exit $?'")[0], 0)
        self.assertEqual({lock["pid"] for lock in self.me.list()}, {inner.pid, inner.outer})


@both_doors
class ForAgent(Case):
    def ask(self, *more):
        return " ".join([self.command, "acquire", "--for-agent", f"--address={self.service.address(self.door)}", *more])

    def test_a_hook_locks_for_the_agent(self):
        place, below = self.directory(), self.directory("project/below")
        claude = self.talking("claude", place)
        status, out, err = claude.spawn(f"sh -c 'sh -c \"{self.ask()}; true\"; true'")
        self.assertEqual((status, err), (0, ""))
        lock = self.me.lock(int(out))
        self.assertEqual((lock["pid"], lock["directory"], lock["agent"]), (claude.pid, place, "claude"))
        # Again, and from elsewhere: where the agent works is what counts.
        self.assertEqual(claude.spawn(f"sh -c 'cd {below} && {self.ask()}'"), (0, out, ""))
        claude.die()
        self.me.wait_released(lock["id"], "exited")

    def test_a_conflict(self):
        place = self.directory()
        self.holder(place)
        claude = self.talking("claude", place)
        status, out, err = claude.spawn(self.ask("-E", "2", "--quiet"))
        self.assertEqual((status, out), (2, ""))
        self.assertIn("is held by", err)

    def test_in_a_removed_directory(self):
        place = self.directory("project/removed")
        claude = self.talking("claude", place)
        os.rmdir(place)
        status, _, err = claude.spawn(self.ask())
        self.assertEqual(status, 70)
        self.assertIn(f"(pid {claude.pid}) works, {place}, has been removed", err)
        # One whose name ends so is there.
        place = self.directory("project/odd (deleted)")
        claude.chdir(place)
        self.assertEqual(claude.spawn(self.ask("--quiet")), (0, "", ""))
        self.assertEqual(self.me.list()[0]["directory"], place)

    def test_helpers_are_passed_over(self):
        place = self.directory()
        shell = self.program("claude", "/bin/bash")
        helper = [shell, "-c", f"{self.ask()}; exit $?", "daemon", "run"]
        done = subprocess.run(helper, cwd=place, env=self.service.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8", check=False, timeout=harness.LIMIT)
        self.assertEqual((done.returncode, done.stdout), (70, ""))
        self.assertIn("no process above this one is a known agent", done.stderr)
        self.assertEqual(self.me.list(), [])
        # Above the helper there is an agent.
        done = subprocess.run([shell, "-c", 'echo $$; "$0" -c "$ASK" daemon run; exit $?', shell], cwd=place,
                              env={**self.service.environment, "ASK": f"{self.ask()}; exit $?"},
                              stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False,
                              timeout=harness.LIMIT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.me.wait_signal("LockAcquired").pid, int(done.stdout.split()[0]))

    def test_a_spare_that_runs_a_hook_is_at_work(self):
        place = self.directory()
        shell = self.program("share/claude/versions/2.1.330", "/bin/bash")
        spare = self.launch("claude bg-spare", "-c", f"read; {self.ask()}; read; :", "--bg-spare", "x.claim.sock",
                            executable=shell, cwd=place, stdin=subprocess.PIPE)
        until(lambda: spare.pid in [p["pid"] for p in self.me.call("Occupants", place)[0]], "the spare")
        self.assertEqual(self.me.check(place), (True, []))
        self.assertIn("It is a spare of the agent Claude Code", self.command_line("explain", str(spare.pid)).stdout)
        spare.stdin.write(b"\n")
        spare.stdin.flush()
        lock = self.me.wait_signal("LockAcquired")
        self.assertEqual((lock.pid, lock.directory, lock.lock["agent"]), (spare.pid, place, "claude"))
        self.refused("Held", self.agent(place).acquire, place)

    def test_not_beside_a_pid(self):
        self.assertEqual(self.command_line("acquire", "--for-agent", "--pid=1").returncode, 64)


@both_doors
class Explain(Case):
    def explain(self, pid):
        done = self.command_line("explain", "--json", str(pid))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = self.command_line("explain", str(pid))
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        return json.loads(done.stdout), text.stdout

    def test_an_agent(self):
        place = self.directory()
        claude = self.talking("claude", place)
        lock = claude.acquire(place)
        facts, text = self.explain(claude.pid)
        self.assertEqual((facts["pid"], facts["agent"], facts["name"], facts["cwd"], facts["rule"]),
                         (claude.pid, "claude", "Claude Code", place, "Command=claude"))
        self.assertEqual(os.path.basename(facts["rule-file"]), "claude.conf")
        self.assertEqual([held["id"] for held in facts["locks"]], [lock])
        for word in ("Claude Code", "Command=claude", "claude.conf", place, f"lock {lock}"):
            self.assertIn(word, text)

    def test_a_helper(self):
        claude = self.claude(self.directory(), "daemon", "run")
        until(lambda: "helper-of" in self.explain(claude.pid)[0], "its exec")
        facts, text = self.explain(claude.pid)
        self.assertEqual((facts["agent"], facts["helper-of"], facts["rule"]),
                         ("", "claude", "ExcludeArguments=daemon run"))
        self.assertIn("ExcludeArguments=daemon run", text)

    def test_neither(self):
        place = self.directory()
        holder, lock = self.holder(place)
        process = self.launch("sleep", "1000", cwd=place)
        facts, text = self.explain(process.pid)
        self.assertEqual((facts["agent"], facts["locks"], facts["cwd"]), ("", [], place))
        self.assertNotIn("rule", facts)
        self.assertEqual([(other["id"], other["pid"]) for other in facts["beside"]], [(lock, holder.pid)])
        self.assertIn("no known agent", text)
        self.assertIn(f"lock {lock}", text)
        # What covers everything below is there too; what is above and does not is not.
        covering = self.me.acquire(self.service.root, manual=True, subtree=True, conflict="join")
        self.me.acquire(os.path.dirname(place), manual=True, conflict="join")
        facts, text = self.explain(process.pid)
        self.assertEqual([other["id"] for other in facts["beside"]], [lock, covering])

    def test_one_whose_first_thread_has_ended(self):
        place = self.directory()
        agent = self.agent(place, program=self.program("claude", TEST_AGENT), arguments=["--leaderless"])
        until(lambda: agent.state() == "Z", "the end of its first thread")
        facts, text = self.explain(agent.pid)
        self.assertEqual((facts["pid"], facts["agent"], facts["cwd"]), (agent.pid, "claude", place))
        self.assertIn(place, text)

    def test_the_family(self):
        place = self.directory()
        wrapper = self.launch("node", self.codex_npm(), cwd=place)
        native = self.child_of(wrapper.pid, "codex")
        lock = self.me.acquire(place, pid=wrapper.pid)
        facts, _ = self.explain(native)
        self.assertEqual([(one["pid"], one["agent"], [held["id"] for held in one["locks"]])
                          for one in facts["ancestors"]], [(wrapper.pid, "codex", [lock])])
        facts, text = self.explain(wrapper.pid)
        self.assertEqual([(one["pid"], one["agent"]) for one in facts["descendants"]], [(native, "codex")])
        self.assertIn(f"process {native}", text)

    def test_nobody(self):
        self.assertEqual(self.command_line("explain", "4194303").returncode, 70)
        self.assertEqual(self.command_line("explain").returncode, 64)
        self.assertEqual(self.command_line("explain", "0").returncode, 64)
        self.assertEqual(self.command_line("explain", "me").returncode, 64)


class Doctor(Case):
    def doctor(self, cwd="/"):
        done = self.command_line("doctor", "--json", cwd=cwd)
        self.assertEqual(done.stderr, "")
        findings = json.loads(done.stdout)
        self.assertEqual(done.returncode, 70 if findings else 0)
        text = self.command_line("doctor", cwd=cwd)
        self.assertEqual((text.returncode, text.stderr), (done.returncode, ""))
        for finding in findings:
            self.assertNotEqual(finding["next"], "")
            self.assertIn(f"→ {finding['next']}", text.stdout)
        return findings

    def only(self, kind, cwd="/"):
        findings = self.doctor(cwd)
        self.assertEqual([finding["kind"] for finding in findings], [kind], findings)
        return findings[0]

    def paste(self, finding, **environment):
        """Does what it says next, as it stands there and with nothing told besides."""
        path = f"{os.path.dirname(self.command)}:{self.service.environment['PATH']}"
        done = subprocess.run(["sh", "-c", finding["next"]], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              env={**self.service.environment, "PATH": path, **environment}, encoding="utf-8",
                              timeout=harness.LIMIT)
        self.assertEqual((done.returncode, done.stderr), (0, ""), finding["next"])
        return done.stdout

    def test_nothing_odd(self):
        place = self.directory()
        self.assertEqual(self.doctor(), [])
        self.assertIn("Nothing is odd", self.command_line("doctor", cwd=place).stdout)
        claude = self.talking("claude", place)
        claude.acquire(place)
        self.me.acquire(self.directory("claimed"), manual=True)
        self.launch("sleep", "1000", cwd=place)
        self.assertEqual(self.doctor(place), [])

    def test_an_agent_without_a_lock(self):
        place = self.directory("with a blank")
        claude = self.talking("claude", place)
        finding = self.only("agent-without-lock")
        self.assertEqual((finding["pid"], finding["agent"], finding["directory"]), (claude.pid, "claude", place))
        # At the service that was asked.
        self.assertIn(f"--address='{self.service.address(self.door)}'", finding["next"])
        self.paste(finding)
        self.assertEqual(self.me.list()[0]["pid"], claude.pid)
        self.assertEqual(self.doctor(), [])

    def test_agents_without_locks_in_each_others_way(self):
        place = self.directory()
        agents = [self.talking(name, place) for name in ("claude", "codex")]
        findings = self.doctor()
        self.assertEqual([finding["kind"] for finding in findings], ["agent-without-lock"] * 2 + ["two-agents"])
        for finding in findings:
            self.paste(finding)
        self.assertEqual({lock["pid"] for lock in self.me.list()}, {agent.pid for agent in agents})
        self.only("two-agents")

    def test_an_agent_beside_somebody_elses_lock(self):
        place = self.directory()
        claude = self.talking("claude", place)
        self.me.acquire(place, manual=True, conflict="join")
        self.paste(self.only("agent-without-lock"))
        self.assertEqual({lock["pid"] for lock in self.me.list()}, {0, claude.pid})

    def test_an_agent_in_a_removed_directory_has_nothing_to_lock(self):
        place = self.directory("project/removed")
        claude = self.talking("claude", place)
        self.only("agent-without-lock")
        os.rmdir(place)
        self.assertEqual(self.doctor(), [])
        # A directory of that very name is one.
        claude.chdir(self.directory("project/odd (deleted)"))
        self.paste(self.only("agent-without-lock"))

    def test_one_finding_for_a_wrapper_and_its_child(self):
        place = self.directory()
        wrapper = self.launch("node", self.codex_npm(), cwd=place)
        native = self.child_of(wrapper.pid, "codex")
        self.assertEqual(self.only("agent-without-lock")["pid"], wrapper.pid)
        # Held by either it is held.
        lock = self.me.acquire(place, pid=native)
        self.assertEqual(self.doctor(), [])
        self.me.release(id=lock, force=True)
        self.me.acquire(place, pid=wrapper.pid)
        self.assertEqual(self.doctor(), [])

    def test_two_agents(self):
        place = self.directory()
        one, two = self.talking("claude", place), self.talking("codex", place)
        one.acquire(place, conflict="join")
        two.acquire(place, conflict="join")
        finding = self.only("two-agents")
        self.assertEqual((finding["directory"], set(finding["pids"])), (place, {one.pid, two.pid}))
        self.assertIn(str(two.pid), self.paste(finding))
        # Who says that it shares does so on purpose.
        for agent in (one, two):
            agent.release(place)
        one.acquire(place, shared=True)
        two.acquire(place, shared=True)
        self.assertEqual(self.doctor(), [])

    def test_a_holder_outside(self):
        place, elsewhere = self.directory(), self.directory("elsewhere")
        agent = self.agent(elsewhere)
        lock = agent.acquire(place, follow_cwd=False)
        finding = self.only("holder-outside")
        self.assertEqual((finding["id"], finding["pid"], finding["directory"], finding["cwd"]),
                         (lock, agent.pid, place, elsewhere))
        agent.chdir(place)
        self.assertEqual(self.doctor(), [])
        agent.chdir(elsewhere)
        self.paste(self.only("holder-outside"))
        self.assertEqual((self.me.wait_released(lock, "forced").pid, self.doctor()), (agent.pid, []))

    def test_another_users_agent(self):
        """The service of a user is about that user's."""
        if os.geteuid() != 0:
            return  # nobody else to be
        place = self.directory()
        process = subprocess.Popen([self.program("claude")], cwd=place, stdin=subprocess.DEVNULL, user=65534, group=65534,
                                   extra_groups=[], preexec_fn=harness._die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.seen(place, process.pid)
        self.assertEqual(self.doctor(), [])

    @staticmethod
    def leave(agent, place):
        """Has the agent start something by way of a shell that ends. Its pid."""
        with open(f"{place}/start", "w", encoding="ascii") as file:
            file.write("sleep 1000 & echo $! > pid; exit")
        agent.spawn("setsid sh -c 'sh start >/dev/null 2>&1'")
        with open(f"{place}/pid", encoding="ascii") as file:
            return int(file.read())

    def test_who_may_have_started_it_lives(self):
        place = self.directory()
        claude = self.talking("claude", place)
        left = self.leave(claude, place)
        self.only("agent-without-lock", place)
        claude.die()
        until(lambda: not self.works(claude.pid), "its end")
        self.only("leftover-process", place)
        # Who holds something, the directory above say, is nobody's remains.
        self.me.acquire(os.path.dirname(place), pid=left)
        self.assertEqual(self.doctor(place), [])
        os.kill(left, 9)

    def test_what_a_dead_holder_left(self):
        place = self.directory()
        agent, lock = self.holder(place)
        left = self.leave(agent, place)
        # While its holder lives it may be the holder's.
        self.assertEqual(self.doctor(place), [])
        agent.die()
        self.me.wait_released(lock, "exited")
        finding = self.only("leftover-process", place)
        self.assertEqual((finding["pid"], finding["directory"]), (left, place))
        # The next one has not started it either.
        self.holder(place)
        self.assertEqual(self.only("leftover-process")["pid"], left)
        self.paste(self.only("leftover-process"))
        until(lambda: not self.works(left), "its end")
        self.assertEqual(self.doctor(place), [])

    def test_what_somebody_has_there_on_purpose(self):
        """A shell with an editor in it; and what began a session of its own and outlives who started it, as tmux does
        and an editor's server, with a shell in it."""
        place = self.directory()

        def there():
            return self.me.call("Occupants", place)[0]

        self.launch("sh", "-c", "sleep 1000; :", cwd=place)
        subprocess.run(["sh", "-c", "setsid sh -c 'sleep 1000; :' >/dev/null 2>&1 &"], cwd=place, check=True,
                       stdin=subprocess.DEVNULL)
        until(lambda: sorted(one["command"] for one in there()) == ["sh", "sh", "sleep", "sleep"], there)
        for one in there():
            self.addCleanup(os.kill, one["pid"], 9)
        self.assertEqual(self.doctor(place), [])

    @staticmethod
    def works(pid):
        """A zombie does not."""
        try:
            return os.readlink(f"/proc/{pid}/cwd") != ""
        except FileNotFoundError:
            return False

    def test_a_second_service(self):
        second = harness.Service(bus=False)
        self.addCleanup(second.cleanup)
        second.environment["AGENTCTL_LOCKS_AGENTS_DIR"] = self.service.environment["AGENTCTL_LOCKS_AGENTS_DIR"]
        second.start("--no-bus")
        finding = self.only("several-instances")
        self.assertEqual({one["pid"] for one in finding["instances"]}, {self.service.process.pid, second.process.pid})
        self.paste(finding)
        second.process.wait()
        self.assertEqual(self.doctor(), [])

    def test_a_second_service_with_folders_of_its_environment(self):
        second = harness.Service(bus=False)
        self.addCleanup(second.cleanup)
        second.runtime = f"{second.root}/xdg/agentctl-locks"
        second.environment["AGENTCTL_LOCKS_AGENTS_DIR"] = self.service.environment["AGENTCTL_LOCKS_AGENTS_DIR"]
        second.process = second.launch(command=[second.program("src/service/agentctl-locksd"), "--user", "--no-bus"])
        second.wait_ready()
        self.assertEqual({one["runtime-dir"] for one in self.only("several-instances")["instances"]},
                         {self.service.runtime, second.runtime})
        second.stop()

    def test_a_broken_catalogue_file(self):
        folder = f"{self.service.root}/home/config/agentctl-locks/agents.d"
        os.makedirs(folder)
        with open(f"{folder}/mine.conf", "w", encoding="ascii") as file:
            file.write("[Agent]\nComand=mine\n")
        os.symlink("/dev/null", f"{folder}/claude.conf")
        finding = self.only("broken-catalogue-file")
        self.assertEqual(finding["file"], f"{folder}/mine.conf")
        self.assertIn("Comand", finding["problem"])
        place = self.directory()
        mine = self.launch(self.program("mine"), cwd=place)
        self.assertEqual(self.me.check(place), (True, []))
        self.paste(finding, EDITOR=self.script("editor", "#!/bin/sh\nsed -i s/Comand/Command/ \"$1\"\n"))
        self.seen(place, mine.pid)
        self.only("agent-without-lock")

    def test_a_state_file_that_was_set_aside(self):
        self.service.stop()
        with open(f"{self.service.runtime}/locks/12", "w", encoding="ascii") as file:
            file.write("{")
        self.service.start()
        bad = [name for name in os.listdir(f"{self.service.runtime}/locks") if name.endswith(".bad")]
        if bad == []:  # the name was none of a lock's
            os.rename(f"{self.service.runtime}/locks/12", f"{self.service.runtime}/locks/12.bad")
            bad = ["12.bad"]
        finding = self.only("set-aside-file")
        self.assertEqual(finding["file"], f"{self.service.runtime}/locks/{bad[0]}")
        self.paste(finding)
        self.assertEqual(self.doctor(), [])

    def test_a_git_work_tree(self):
        place = self.directory()
        tree = f"{place}-tree"
        dead = subprocess.Popen(["true"])
        dead.wait()

        def git(*arguments):
            subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments], cwd=place, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=self.service.environment)
        git("init")
        git("commit", "--allow-empty", "-m", "first")
        git("worktree", "add", "--lock", "--reason", f"claude agent (pid {os.getpid()})", tree)
        self.assertEqual(self.doctor(tree), [])

        def relock(reason):
            git("worktree", "unlock", tree)
            git("worktree", "lock", "--reason", reason, tree)
            # Before whoever has that number now was started.
            os.utime(f"{place}/.git/worktrees/{os.path.basename(tree)}/locked", (1, 1))
        with open("/proc/self/stat", encoding="utf-8") as file:
            started = int(file.read().rpartition(")")[2].split()[19])
        for reason, pid in ((f"claude agent (pid {os.getpid()})", os.getpid()),
                            (f"claude agent x (pid {os.getpid()} start {started})", None),
                            (f"claude agent x (pid {os.getpid()} start {started + 1})", os.getpid()),
                            (f"claude agent (pid {dead.pid})", dead.pid)):
            with self.subTest(reason):
                relock(reason)
                self.assertEqual([finding["pid"] for finding in self.doctor(tree)], [] if pid is None else [pid])
        for cwd in (place, tree):
            finding = self.only("worktree-lock", cwd)
            self.assertEqual((finding["directory"], finding["pid"]), (tree, dead.pid))
        self.paste(finding)
        self.assertEqual(self.doctor(tree), [])

    def test_a_lock_that_is_kept_unknown(self):
        """As after a restart in another PID namespace: the saved holder can be told neither alive nor dead."""
        place = self.directory()
        _, lock = self.holder(place)
        self.service.kill()
        folder = f"{self.service.runtime}/locks"
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                text = file.read()
            saved = json.loads(text)
            boot, _, _ = saved["world"].partition("/")
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text.replace(saved["world"], f"{boot}/1"))
        self.service.start()
        finding = self.only("lock-unknown")
        self.assertEqual((finding["id"], finding["directory"]), (lock, place))
        self.paste(finding)
        self.assertEqual((self.me.list(), self.doctor()), ([], []))

    def test_without_a_service(self):
        self.service.stop()
        done = self.command_line("doctor", "--json", "--user", address=False, cwd="/")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, []), done.stderr)
        self.assertEqual(self.command_line("doctor", cwd="/").returncode, 69)


class Occupants(Case):
    N = 2000

    def everybody(self):
        """lsof's word on who works where."""
        done = subprocess.run(["lsof", "-n", "-P", "-w", "-a", "-d", "cwd", "-F", "pn"], cwd="/", check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8")
        found, pid = {}, 0
        for line in done.stdout.splitlines():
            if line.startswith("p"):
                pid = int(line[1:])
            elif line.startswith("n"):
                found[pid] = line[1:]
        return found

    def test_two_thousand_agree_with_lsof(self):
        place = self.directory()
        places = [place, self.directory("project/a"), self.directory("project/a/b"), self.directory("project-2"),
                  os.path.dirname(place)]
        os.symlink(place, f"{place}/a/up")
        places.append(f"{place}/a/up")
        script = 'n=$1; i=0; while [ $i -lt $n ]; do sleep 100000 & i=$((i+1)); done; echo; wait'
        for directory in places:
            process = subprocess.Popen(["sh", "-c", script, "sh", str(self.N // len(places))], cwd=directory,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
            self.addCleanup(process.stdout.close)
            lines = lines_of(process)
            until(lambda lines=lines: lines(), f"the population of {directory}")
        # Still: each has become what it will be.
        until(lambda: sum(name == "sleep" for name in self.commands()) >= self.N // len(places) * len(places),
              "everybody to be asleep")

        truth = self.everybody()
        self.assertGreater(len(truth), self.N)
        for directory in (place, f"{place}/a", f"{place}/a/up", os.path.dirname(place)):
            real = os.path.realpath(directory)
            expected = {pid: cwd for pid, cwd in truth.items() if cwd == real or cwd.startswith(real + "/")}
            self.assertGreater(len(expected), self.N // len(places))
            answer = self.me.call("Occupants", directory)[0]
            self.assertEqual({one["pid"]: one["cwd"] for one in answer}, expected)
            self.assertEqual([one["pid"] for one in answer], sorted(expected))
        self.end_population()

    @staticmethod
    def commands():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    yield file.read().strip()
            except (FileNotFoundError, ProcessLookupError):
                pass

    def end_population(self):
        for pid in [pid for pid, cwd in self.everybody().items() if cwd.startswith(self.service.root)]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    if os.getsid(0) != os.getpid():
        os.setsid()  # a session of this namespace
    harness.main()
