# SPDX-License-Identifier: MIT
"""agentctl-locks, the command line: what scripts and people hold on to."""
import errno
import fcntl
import json
import os
import signal
import subprocess

import harness
from harness import both_doors, lines_of, until

KEYS = {"id", "directory", "kind", "pid", "uid", "command", "shared", "subtree", "follow-cwd", "cwd", "acquired-at",
        "acquired-by", "waiters"}


@both_doors
class Run(harness.Case):
    def test_it_becomes_the_command(self):
        place = self.directory()
        process = self.start_command_line("run", place, "--", "sh", "-c", "echo $$; pwd; exec sleep 1000")
        lines = lines_of(process)
        until(lambda: len(lines()) >= 2, "the pid that the command prints")
        self.assertEqual(lines(), [str(process.pid), place])
        locks = self.me.list()
        self.assertEqual([(lock["pid"], lock["directory"]) for lock in locks], [(process.pid, place)])
        # It is listed as what it has become.
        until(lambda: self.me.list()[0]["command"] == "sleep", lambda: f"sleep; is {self.me.list()}")
        self.assertIn("sleep", self.refused("Held", self.agent(place).acquire, place).message)
        process.kill()
        self.me.wait_released(locks[0]["id"], "exited")

    def test_it_takes_the_working_directory(self):
        place = self.directory()
        done = self.command_line("run", "--", "pwd", cwd=place)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, place + "\n", ""))
        lock = self.me.wait_signal("LockAcquired").id
        self.me.wait_released(lock, "exited")

    def test_it_exits_as_the_command_does(self):
        place = self.directory()
        for status in (0, 1, 75, 255):
            self.assertEqual(self.command_line("run", place, "--", "sh", "-c", f"exit {status}").returncode, status)
        self.assertEqual(self.command_line("run", place, "--", "sh", "-c", "kill -TERM $$").returncode,
                         -signal.SIGTERM)
        with open(f"{place}/text", "w", encoding="ascii") as file:
            file.write("no program\n")
        self.assertEqual(self.command_line("run", place, "--", f"{place}/text").returncode, 126)

    def test_a_command_that_cannot_be_run_leaves_no_lock(self):
        place = self.directory()
        self.assertEqual(self.command_line("run", place, "--", f"{place}/missing").returncode, 127)
        until(lambda: self.me.list() == [], "the directory to be free")

    def test_held_is_75_and_names_the_holder(self):
        place = self.directory()
        agent, _ = self.holder(place)
        done = self.command_line("run", place, "--", "touch", f"{place}/ran")
        self.assertEqual(done.returncode, 75)
        for word in (place, str(agent.pid), "test-agent"):
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(f"{place}/ran"))

    def test_the_status_of_a_conflict_can_be_chosen(self):
        place = self.directory()
        self.holder(place)
        self.assertEqual(self.command_line("run", "-E", "3", place, "--", "true").returncode, 3)
        self.assertEqual(self.command_line("run", "--conflict-exit-code=4", place, "--", "true").returncode, 4)

    def test_the_texts(self):
        place = self.directory()
        process = self.start_command_line("run", "--agent=A", "--session=S", "--reason=R", place, "--", "sleep", "1000")
        told = self.me.wait_signal("LockAcquired")
        self.assertEqual((told.lock["agent"], told.lock["session"], told.lock["reason"]), ("A", "S", "R"))
        process.kill()

    def test_it_waits_its_turn(self):
        place = self.directory()
        agent, lock = self.holder(place)
        process = self.start_command_line("run", "--wait", place, "--", "sh", "-c", "echo mine; exec sleep 1000")
        self.me.wait_signal("LockChanged", lock, lambda s: s.changed.get("waiters") == 1)
        agent.kill()
        lines = lines_of(process)
        until(lambda: "mine" in lines(), lambda: f"its turn; it said {lines()}")
        self.assertEqual([b["pid"] for b in self.me.list()], [process.pid])

    def test_it_waits_no_longer_than_told(self):
        place = self.directory()
        self.holder(place)
        self.assertEqual(self.command_line("run", "--wait=0.2", place, "--", "true").returncode, 75)

    def test_it_passes_nothing_on(self):
        """The command gets its arguments, environment and descriptors as they were."""
        place = self.directory()
        done = self.command_line("run", place, "--", "sh", "-c", 'echo "$1|$2|$FOO"; ls /proc/self/fd | wc -l', "x",
                                 "a b", "--json", environment={"FOO": "bar"})
        plain = subprocess.run(["sh", "-c", "ls /proc/self/fd | wc -l"], stdin=subprocess.DEVNULL, check=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.assertEqual(done.stdout, "a b|--json|bar\n" + plain.stdout)


@both_doors
class Commands(harness.Case):
    def test_acquire_for_a_script(self):
        place = self.directory()
        agent = self.agent(place)
        done = self.command_line("acquire", f"--pid={agent.pid}", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        lock = self.me.list()[0]
        self.assertEqual((lock["pid"], lock["directory"]), (agent.pid, place))
        self.assertIn(str(lock["id"]), done.stdout)
        agent.kill()
        self.me.wait_released(lock["id"], "exited")

    def test_acquire_as_json_is_the_lock(self):
        place = self.directory()
        agent = self.agent(place)
        done = self.command_line("acquire", "--json", f"--pid={agent.pid}", place)
        self.assertEqual(json.loads(done.stdout)["id"], self.me.list()[0]["id"])

    def test_acquire_refused(self):
        place = self.directory()
        self.holder(place)
        other = self.agent(place)
        self.assertEqual(self.command_line("acquire", f"--pid={other.pid}", place).returncode, 75)
        self.assertEqual(self.command_line("acquire", f"--pid={other.pid}", "--join", place).returncode, 0)
        self.assertEqual(len(self.me.list()), 2)

    def test_acquire_for_a_process_that_is_elsewhere(self):
        agent = self.agent("/")
        done = self.command_line("acquire", f"--pid={agent.pid}", self.directory())
        self.assertEqual(done.returncode, 70)
        self.assertNotEqual(done.stderr, "")
        done = self.command_line("acquire", f"--pid={agent.pid}", "--no-follow-cwd", self.directory())
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_claim_and_release(self):
        place = self.directory()
        done = self.command_line("claim", "--reason=hands off", "--ttl=3600", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        lock = self.me.list()[0]
        self.assertEqual((lock["kind"], lock["directory"], lock["reason"]), ("manual", place, "hands off"))
        self.assertAlmostEqual(lock["expires-at"] - lock["acquired-at"], 3600 * 1_000_000, delta=1_000_000)
        done = self.command_line("release", cwd=place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.me.wait_released(lock["id"], "released")
        self.assertEqual(self.command_line("release", place).returncode, 70)

    def test_release_by_id_and_by_force(self):
        place = self.directory()
        _, lock = self.holder(place)
        self.assertNotEqual(self.command_line("release", f"--id={lock}").returncode, 0)
        self.assertEqual(self.me.lock(lock)["id"], lock)
        self.assertEqual(self.command_line("release", f"--id={lock}", "--force").returncode, 0)
        self.me.wait_released(lock, "forced")

    def test_a_script_releases_its_own(self):
        place = self.directory()
        script = ('"$LOCKS" acquire --address="$ADDRESS" --pid=$$ . >/dev/null && '
                  '"$LOCKS" release --address="$ADDRESS" . && echo done')
        out = subprocess.run(
            ["sh", "-c", script], cwd=place, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            encoding="utf-8", timeout=harness.LIMIT, env={
                **self.service.environment, "ADDRESS": self.service.address(self.door),
                "LOCKS": os.path.join(harness.BUILD, "src", "client", "agentctl-locks")})
        self.assertIn("done", out.stdout)
        self.assertEqual(self.me.wait_signal("LockReleased").reason, "released")

    def test_list(self):
        place = self.directory()
        agent, lock = self.holder(place, agent="Tester")
        for arguments in (["list"], ["list", "--no-legend"]):
            done = self.command_line(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            for word in (place, str(agent.pid)):
                self.assertIn(word, done.stdout)
        self.assertEqual(len(self.command_line("list", "--no-legend").stdout.splitlines()), 1)
        self.assertNotIn("\x1b", self.command_line("list").stdout, "no colour where there is no terminal")

    def test_list_is_what_no_command_means(self):
        self.holder(self.directory())
        environment = {"AGENTCTL_LOCKS_ADDRESS": self.service.address(self.door)}
        self.assertEqual(self.command_line(address=False, environment=environment).stdout,
                         self.command_line("list").stdout)

    def test_list_as_json_has_the_keys_of_the_bus(self):
        place = self.directory()
        self.holder(place, agent="A", session="S", reason="R")
        self.me.acquire(self.directory("claimed"), manual=True, ttl=3600)
        done = self.command_line("list", "--json")
        self.assertEqual(json.loads(done.stdout), self.me.list())
        self.assertEqual({frozenset(lock) for lock in json.loads(done.stdout)},
                         {frozenset(KEYS | {"agent", "session", "reason"}), frozenset(KEYS | {"expires-at"})})

    def test_columns_by_the_keys_of_json(self):
        place = self.directory()
        self.holder(place, agent="A", session="S", reason="R")
        self.me.acquire(self.directory("claimed"), manual=True, ttl=3600)
        for command in (["list"], ["check", place], ["occupants", place]):
            rows = json.loads(self.command_line(*command, "--json").stdout)
            rows = rows["blockers"] if isinstance(rows, dict) else rows
            for key in sorted(set().union(*rows)):
                done = self.command_line(*command, "--output", key)
                self.assertEqual((done.stderr, len(done.stdout.splitlines())), ("", len(rows) + 1), (command, key))
        self.assertEqual(self.command_line("list", "--no-legend", "--output=pid,acquired-by,waiters", f"--directory={place}")
                         .stdout.split(), [str(self.me.list(directory=place)[0][key])
                                           for key in ("pid", "acquired-by", "waiters")])

    def test_quietly_the_exit_status_alone_tells(self):
        place = self.directory()
        self.holder(place)
        for command, status in ((["list", "-q"], 0), (["list", "-q", "--under=/nowhere"], 0), (["-q"], 0),
                                (["occupants", "-q", place], 0), (["check", "-q", place], 75),
                                (["list", "-q", "--kind=none"], 64)):
            done = self.command_line(*command, environment={"AGENTCTL_LOCKS_ADDRESS": self.service.address(self.door)},
                                     address=False)
            self.assertEqual((done.stdout, done.returncode), ("", status), (command, done.stderr))

    def test_list_of_nothing(self):
        self.assertEqual(json.loads(self.command_line("list", "--json").stdout), [])
        self.assertEqual(self.command_line("list", "--no-legend").stdout, "")

    def test_list_columns(self):
        place = self.directory()
        agent, _ = self.holder(place)
        done = self.command_line("list", "--no-legend", "--output=pid,directory")
        self.assertEqual(done.stdout.split(), [str(agent.pid), place])
        done = self.command_line("list", "-o", "help")
        self.assertRegex(done.stdout, r"\n *COMMAND +the command's name\n")
        done = self.command_line("list", "-o", "colour")
        self.assertEqual(done.returncode, 64)
        self.assertIn("colour", done.stderr)

    def test_a_hostile_directory_is_listed_harmlessly(self):
        place = self.directory("a\nb\x1b[31m\u202e")
        self.me.acquire(place, manual=True, reason="x\ny\x1b]0;z\a")
        done = self.command_line("list")
        self.assertEqual(len(done.stdout.splitlines()), 2)
        for character in ("\x1b", "\u202e", "\a"):
            self.assertNotIn(character, done.stdout)

    def test_check(self):
        place = self.directory()
        done = self.command_line("check", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.command_line("check", "--json", place).stdout),
                         {"free": True, "blockers": []})
        agent, _ = self.holder(place)
        done = self.command_line("check", cwd=place)
        self.assertEqual(done.returncode, 75)
        self.assertIn(str(agent.pid), done.stdout + done.stderr)
        self.assertEqual(json.loads(self.command_line("check", "--json", place).stdout),
                         {"free": False, "blockers": self.me.list()})
        self.assertEqual(self.command_line("check", "--quiet", place).stdout, "")

    def test_wait(self):
        place = self.directory()
        self.assertEqual(self.command_line("wait", place).returncode, 0)
        agent, _ = self.holder(place)
        self.assertEqual(self.command_line("wait", "--wait=0.2", place).returncode, 75)
        process = self.start_command_line("wait", place)
        agent.kill()
        until(lambda: process.poll() is not None, "its end")
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.me.list(), [], "it only waited")

    def test_monitor(self):
        process = self.start_command_line("monitor", "--json")
        lines = lines_of(process)
        seen = []

        def events():
            seen[:] = [json.loads(line) for line in lines()]
            ids = {name: {event["id"] for event in seen if event["event"] == name}
                   for name in ("LockAcquired", "LockReleased")}
            return ids["LockAcquired"] & ids["LockReleased"]
        number = 0
        # It takes a moment until it listens: go on until it has seen one come and go.
        while True:
            number += 1
            place = self.directory(f"project-{number}")
            agent, _ = self.holder(place)
            agent.die()
            try:
                until(events, "events", limit=1)
                break
            except AssertionError:
                self.assertLess(number, harness.LIMIT)
        whole = min(events())
        acquired = next(event for event in seen if event["event"] == "LockAcquired" and event["id"] == whole)
        released = next(event for event in seen if event["event"] == "LockReleased" and event["id"] == acquired["id"])
        self.assertEqual(set(acquired), {"at", "event", "id", "directory", "pid", "lock"})
        self.assertEqual(set(released), {"at", "event", "id", "directory", "pid", "release", "lock"})
        self.assertEqual(released["release"], "exited")
        self.assertEqual(set(acquired["lock"]), KEYS)
        process.send_signal(signal.SIGINT)

    def test_occupants(self):
        place = self.directory()
        agent, lock = self.holder(place)
        done = self.command_line("occupants", "--json", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual([(one["pid"], one["lock"], one["cwd"]) for one in found], [(agent.pid, lock, place)])
        self.assertEqual(set(found[0]), {"pid", "uid", "command", "cwd", "agent", "lock"})

    def test_occupants_are_without_who_asks(self):
        place, below = self.directory(), self.directory("project/below")
        agent = self.agent(place)
        for cwd, arguments in ((place, []), (place, ["."]), (below, [".."]), (below, [place])):
            with self.subTest(cwd=cwd, arguments=arguments):
                done = self.command_line("occupants", "--json", *arguments, cwd=cwd)
                self.assertEqual([one["pid"] for one in json.loads(done.stdout)], [agent.pid], done.stderr)
        done = self.command_line("occupants", "--no-legend", "--output=pid", cwd=place)
        self.assertEqual(done.stdout.split(), [str(agent.pid)])

    def test_a_name_that_is_no_text(self):
        """D-Bus has no string for it: what can go around that does, the rest says how."""
        place = self.directory()
        odd = os.fsencode(place) + b"/\xff"
        for path in (odd, odd + b"/below"):
            os.mkdir(path)
            self.assertEqual(self.command_line("claim", path).returncode, 0)
        self.assertEqual(self.command_line("claim", place).returncode, 0)
        os.symlink(odd, f"{place}/link")
        os.symlink(place, odd + b"link")
        first, below, above = [lock["id"] for lock in self.me.list()]
        for arguments, expected in (([b"--directory=" + odd], [first]), ([b"--under=" + odd], [first, below]),
                                    ([b"--under=" + odd + b"/"], [first, below]),
                                    ([b"--directory=" + odd + b"/below"], [below]),
                                    ([b"--under=" + odd + b"/bel"], []), ([b"--directory=" + odd + b"gone"], []),
                                    ([b"--directory=" + odd, "--kind=process"], []),
                                    # What leads elsewhere.
                                    ([f"--directory={place}/link"], [first]),
                                    ([b"--directory=" + odd + b"link"], [above])):
            with self.subTest(arguments=arguments):
                done = self.command_line("list", "--json", *arguments)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual([lock["id"] for lock in json.loads(done.stdout)], expected)
        agent = self.agent(odd)
        for command in ("check", "occupants", "wait"):
            with self.subTest(command=command):
                done = self.command_line(command, odd)
                self.assertEqual((done.returncode, done.stdout), (70, ""))
                self.assertIn(place + r"/\xff: D-Bus cannot carry this name", done.stderr)
        # As it advises.
        done = self.command_line("occupants", "--json", f"{place}/link")
        self.assertEqual([one["pid"] for one in json.loads(done.stdout)], [agent.pid], done.stderr)
        self.assertEqual(self.command_line("check", f"{place}/link").returncode, 75)
        self.assertEqual(self.command_line("release", odd).returncode, 0)
        # To where it leads another name may have led.
        self.assertEqual(self.command_line("release", place).returncode, 0)
        self.assertEqual(self.command_line("wait", odd + b"link").returncode, 0)

    def test_transfer(self):
        place = self.directory()
        first, second = self.agent(place), self.agent(place)
        done = self.command_line("acquire", f"--pid={first.pid}", "--json", place)
        lock = json.loads(done.stdout)["id"]
        done = self.command_line("transfer", f"--id={lock}", f"--pid={second.pid}", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.me.lock(lock)["pid"], second.pid)


@both_doors
class Waits(harness.Case):
    def test_a_service_that_does_not_come_back_ends_the_wait(self):
        place = self.directory()
        self.holder(place)
        commands = [self.start_command_line(*arguments, place) for arguments in (["claim", "--wait"], ["wait"])]
        for command in commands:
            self.assertIn("waiting for", command.stdout.readline().decode())
        self.service.kill()
        for command in commands:
            rest, _ = command.communicate(timeout=harness.LIMIT)
            self.assertEqual(command.returncode, 69, rest)
            self.assertEqual(rest.decode().count("went away"), 1, "it is said once")
            self.assertIn(f"nobody answers at {self.service.address(self.door)}", rest.decode())
        self.service.start()


@both_doors
class Wrong(harness.Case):
    def test_usage_is_64(self):
        with self.nothing_changes():
            for arguments in (["frobnicate"], ["list", "--colour"], ["list", "surplus"], ["run"], ["run", "."],
                              ["run", "--"], ["acquire", "a", "b"], ["acquire", "--pid=banana"], ["acquire", "--pid=0"],
                              ["claim", "--ttl=soon"], ["list", "--wait"], ["release", "--id=x"],
                              ["run", "-E", "999", "--", "true"], ["acquire", "--pid=1", "--join", "--steal"],
                              ["transfer"], ["monitor", "surplus"]):
                with self.subTest(arguments=arguments):
                    done = self.command_line(*arguments)
                    self.assertEqual(done.returncode, 64, done.stderr)
                    self.assertNotEqual(done.stderr.strip(), "")
                    self.assertEqual(done.stdout, "")

    def test_a_working_directory_that_was_removed_is_named_so(self):
        gone = self.directory("gone")
        program = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
        done = subprocess.run(["sh", "-c", 'rmdir "$1" && exec "$2" check', "sh", gone, program], cwd=gone, check=False,
                              env={**self.service.environment,
                                   "AGENTCTL_LOCKS_ADDRESS": self.service.address("direct")},
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
                              timeout=harness.CLI_LIMIT)
        self.assertEqual(done.returncode, 70)
        self.assertIn("the working directory has been removed", done.stderr)

    def test_a_directory_that_is_none_is_70(self):
        with self.nothing_changes():
            for command in (["claim"], ["check"], ["release"], ["wait"]):
                with self.subTest(command=command):
                    done = self.command_line(*command, self.directory() + "/missing")
                    self.assertEqual(done.returncode, 70, done.stderr)
                    self.assertIn("missing", done.stderr)

    def test_output_that_cannot_be_written_is_70_and_said(self):
        program = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
        address = f"--address={self.service.address(self.door)}"
        place = self.directory()
        self.me.acquire(self.directory("other"), manual=True)
        for arguments in (["list", address], ["list", "--json", address], ["metrics", address], ["--help"],
                          ["claim", place, address]):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                done = subprocess.run([program, *arguments], env=self.service.environment, check=False,
                                      stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                      encoding="utf-8", timeout=harness.LIMIT)
                self.assertEqual(done.returncode, 70, done.stderr)
                self.assertIn(os.strerror(errno.ENOSPC), done.stderr)

    def test_a_standard_output_that_is_closed(self):
        """Its number goes to nothing else that is opened, and COMMAND finds it as it was."""
        program = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
        address = f"--address={self.service.address(self.door)}"
        lock = self.me.acquire(self.directory(), manual=True)
        closing = ["sh", "-c", 'exec "$@" <&- >&-', "sh", program]
        words = f"agentctl-locks: cannot write to standard output: {os.strerror(errno.EBADF)}\n"
        for arguments, status, said in (
                (["list", address], 70, words), (["list", "--json", address], 70, words), (["--version"], 70, words),
                (["check", "--quiet", self.directory(), address], 75, ""),
                (["run", address, self.directory("other"), "--", "sh", "-c",
                  "for fd in 0 1; do [ ! -e /proc/$$/fd/$fd ] || echo $fd >&2; done"], 0, "")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([*closing, *arguments], env=self.service.environment, check=False,
                                      stderr=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual(done.stderr, said)
        self.assertEqual(self.me.list()[0]["id"], lock)

    def test_help(self):
        done = self.command_line("--help", address=False)
        self.assertEqual(done.returncode, 0)
        for command in ("run", "acquire", "claim", "release", "list", "check", "wait", "monitor", "transfer",
                        "occupants"):
            self.assertIn(command, done.stdout)
            self.assertEqual(self.command_line(command, "--help", address=False).returncode, 0)

    def test_version(self):
        done = self.command_line("--version", address=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn(self.me.get("Version"), done.stdout)

    def test_no_service_is_69(self):
        done = self.command_line("list", f"--address=unix:path={self.service.root}/nothing-here", address=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("nothing-here", done.stderr)

    def test_not_permitted_is_77(self):
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={harness.NOBODY}", f"--regid={harness.NOBODY}", "--clear-groups"]
            service = harness.Service(uid=harness.NOBODY)
        else:
            command, service = [], harness.Service()
        self.addCleanup(service.cleanup)
        service.start()
        done = subprocess.run(
            [*command, service.program("src/client/agentctl-locks"), "acquire",
             f"--address={service.address(self.door)}", "--pid=1", "--no-follow-cwd", f"{service.root}/work"],
            env=service.environment, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
            timeout=harness.LIMIT)
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertIn("Process 1 is of user root;", done.stderr)
        service.stop()


class ExitsAsAShell(harness.Case):
    """What cannot be run at all: bash(1)'s numbers, and dash's where these agree."""

    def test_126_and_127(self):
        # Root may look into every folder.
        as_nobody = os.geteuid() == 0
        who = {"user": harness.NOBODY, "group": harness.NOBODY, "extra_groups": []} if as_nobody else {}
        service = harness.Service(uid=harness.NOBODY if as_nobody else None)
        self.addCleanup(service.cleanup)
        place = os.path.join(service.root, "commands")
        for folder in ("", "shut", "folders", "folders/foo", "files"):
            os.mkdir(os.path.join(place, folder))
        for file in ("file", "files/foo", "files/bar"):
            with open(os.path.join(place, file), "w", encoding="ascii") as stream:
                stream.write("#!/nonexistent\n")
        os.chmod(os.path.join(place, "files/bar"), 0o755)
        os.symlink("loop", os.path.join(place, "loop"))
        os.chmod(os.path.join(place, "shut"), 0)
        self.addCleanup(os.chmod, os.path.join(place, "shut"), 0o755)
        for path, command, status, words in (
                ("folders", "", 127, "“”: command not found: its name is empty"),
                ("folders", "./shut/foo", 126, "./shut/foo: cannot be executed: Permission denied"),
                ("folders", "./files/foo", 126, "./files/foo: cannot be executed: Permission denied"),
                ("folders", "./folders", 126, "./folders: cannot be executed: Is a directory"),
                ("folders", "./file/foo", 126, "./file/foo: cannot be executed: Not a directory"),
                ("folders", "./loop", 126, "./loop: cannot be executed: Too many levels of symbolic links"),
                ("folders", "./missing", 127, "./missing: command not found"),
                ("folders", "foo", 127, "foo: command not found"),
                ("files", "foo", 126, "foo: cannot be executed: Permission denied"),
                ("folders:files", "foo", 127, "foo: command not found"),
                ("shut:files:folders", "foo", 126, "foo: cannot be executed: Permission denied"),
                ("shut", "foo", 127, "foo: command not found"),
                ("file", "foo", 127, "foo: command not found"),
                ("", "file", 126, "file: cannot be executed: Permission denied"),
                ("", "missing", 127, "missing: command not found")):
            with self.subTest(path=path, command=command):
                environment = {**service.environment, "PATH": ":".join(
                    os.path.join(place, folder) for folder in path.split(":")) if path else ""}
                shell, done = (subprocess.run(argv, cwd=place, env=environment, stdin=subprocess.DEVNULL,
                                              stderr=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT,
                                              check=False, **who)
                               for argv in (["/bin/bash", "-c", command or "''"],
                                            [service.program("src/client/agentctl-locks"), "run",
                                             f"--address=unix:path={service.root}/nothing-here", "--", command]))
                self.assertEqual((done.returncode, done.stderr), (status, f"agentctl-locks: {words}\n"))
                self.assertEqual(shell.returncode, status, shell.stderr)

    def test_a_directory_without_a_name(self):
        done = self.command_line("run", "", "--", "true")
        self.assertEqual((done.returncode, done.stderr),
                         (70, "agentctl-locks: cannot enter “”: the directory's name is empty\n"))

    def test_what_only_exec_finds_out(self):
        place = self.directory()
        with open(f"{place}/program", "w", encoding="ascii") as file:
            file.write("#!/nonexistent\n")
        os.chmod(f"{place}/program", 0o755)
        done = self.command_line("run", place, "--", "./program")
        self.assertEqual((done.returncode, done.stderr), 
                         (127, "agentctl-locks: ./program: cannot be executed: No such file or directory\n"))


class StartsTheService(harness.Case):
    """Where none runs, the command line starts the user's own, on the direct socket."""

    autostart = False
    bus = False

    def setUp(self):
        super().setUp()
        del self.service.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.service.runtime = f"{self.service.root}/xdg/agentctl-locks"

    def daemons(self):
        found = []
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = os.fsencode(self.service.root) in file.read()
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    if ours and file.read().startswith("agentctl-locksd"):
                        found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def tearDown(self):
        for pid in self.daemons():
            os.kill(pid, signal.SIGTERM)
        until(lambda: self.daemons() == [] or self._reap(), "the end of what was started")
        super().tearDown()

    @staticmethod
    def _reap():
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass

    def test_at_the_first_command(self):
        place = self.directory()
        self.assertEqual(self.daemons(), [])
        done = self.command_line("claim", "--user", place, address=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.daemons()), 1)
        done = self.command_line("list", "--user", "--json", address=False)
        self.assertEqual([lock["directory"] for lock in json.loads(done.stdout)], [place])
        self.assertEqual(len(self.daemons()), 1, "the second command found it")

    def test_many_at_once_start_one(self):
        places = [self.directory(f"project-{number}") for number in range(8)]
        program = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
        processes = [subprocess.Popen([program, "claim", "--user", place], env=self.service.environment,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                     for place in places]
        for process in processes:
            _, err = process.communicate(timeout=harness.LIMIT)
            self.assertEqual(process.returncode, 0, err)
        done = self.command_line("list", "--user", "--json", address=False)
        self.assertEqual(sorted(lock["directory"] for lock in json.loads(done.stdout)), sorted(places))
        self.assertEqual(len(self.daemons()), 1)

    def test_while_the_last_one_is_stopping(self):
        """Its socket is gone already and its lock on the folder is not yet, as when it stops for having been idle."""
        os.mkdir(self.service.runtime, 0o700)
        program = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
        with open(f"{self.service.runtime}/instance", "w", encoding="ascii") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            command = subprocess.Popen([program, "list", "--user", "--json"], env=self.service.environment,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            until(lambda: self.log_has(f"(pid {os.getpid()})"), "the start that is refused")
        out, err = command.communicate(timeout=harness.LIMIT)
        self.assertEqual((command.returncode, out.split()), (0, [b"[]"]), err)
        self.assertEqual(len(self.daemons()), 1)

    def log_has(self, text):
        try:
            with open(f"{self.service.runtime}/log", encoding="utf-8") as file:
                return text in file.read()
        except FileNotFoundError:
            return False


if __name__ == "__main__":
    harness.main()
