# SPDX-License-Identifier: MIT
"""`agentctl-locks import`: agentctl's locks.json, well-formed, of the old form, damaged and huge."""
import datetime
import json
import os

import harness


def at(seconds=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Import(harness.Case):
    def write(self, content):
        path = os.path.join(self.service.root, "locks.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content, indent=2))
        return path

    def take(self, content, status=0, *more):
        done = self.command_line("import", self.write(content), *more)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done

    def results(self, content, status):
        return [row["result"] for row in json.loads(self.take(content, status, "--json").stdout)]

    def test_well_formed(self):
        place, claimed = self.directory("auto"), self.directory("manual")
        agent = self.agent(place)
        content = [
            {"directory": place, "type": "auto", "pid": agent.pid, "sessionId": "s1", "lockedAt": at()},
            {"directory": claimed, "type": "manual", "lockedBy": "ann", "reason": "release day", "lockedAt": at()},
        ]
        done = self.take(content)
        self.assertIn("Taken over: 2. Over already: 0. Left to you: 0.", done.stdout)
        auto, manual = self.me.list()
        self.assertEqual((auto["kind"], auto["pid"], auto["session"], auto["follow-cwd"]),
                         ("process", agent.pid, "s1", True))
        self.assertEqual((manual["kind"], manual["directory"], manual["agent"], manual["reason"]),
                         ("manual", claimed, "ann", "release day"))
        self.take(content)
        self.assertEqual([lock["id"] for lock in self.me.list()], [auto["id"], manual["id"]], "twice is once")
        agent.die()
        self.me.wait_released(auto["id"], "exited")

    def test_beside_each_other(self):
        """agentctl let a manual lock stand over automatic ones, and these beside each other."""
        place = self.directory()
        agents = [self.agent(place), self.agent(place)]
        self.take([{"directory": place, "type": "auto", "pid": agent.pid, "lockedAt": at()} for agent in agents]
                  + [{"directory": place, "type": "manual", "lockedBy": "ann"}])
        self.assertEqual([lock["pid"] for lock in self.me.list()], [agents[0].pid, agents[1].pid, 0])

    def test_a_process_elsewhere(self):
        place = self.directory()
        agent = self.agent("/")
        entry = {"directory": place, "type": "auto", "pid": agent.pid, "lockedAt": at()}
        self.assertEqual(self.results([entry], 0), ["taken"])
        self.assertEqual([lock["follow-cwd"] for lock in self.me.list()], [False])
        self.me.release(id=self.me.list()[0]["id"], force=True)
        del entry["lockedAt"]
        self.assertEqual(self.results([entry], 70), ["left"], "nothing tells that it is the same process")
        self.assertEqual(self.me.list(), [])

    def test_dead_processes(self):
        place = self.directory()
        dead = self.agent(place)
        dead.die()
        later = self.agent(place)
        self.assertEqual(self.results([
            {"directory": place, "type": "auto", "pid": dead.pid, "lockedAt": at()},
            {"directory": place, "type": "auto", "pid": later.pid, "lockedAt": at(-3600)},
        ], 0), ["over", "over"])
        self.assertEqual(self.me.list(), [])

    def test_old_form(self):
        place = self.directory()
        done = self.take([{"directory": place, "type": "auto", "sessionId": "abc", "lockedAt": at()}], 70)
        self.assertIn("acquire --pid", done.stderr)
        self.assertEqual(self.me.list(), [])

    def test_damaged(self):
        one, two = self.directory("one"), self.directory("two")
        whole = json.dumps([{"directory": one, "type": "manual", "lockedBy": "ann"},
                            {"directory": two, "type": "manual", "lockedBy": "ann"}], indent=2)
        done = self.take(whole[:whole.index(two) + len(two)], 70)
        self.assertIn("ends in the middle", done.stderr)
        self.assertEqual([lock["directory"] for lock in self.me.list()], [one])
        for nothing in ("", "no json\n", "{}"):
            self.assertIn("no list in it", self.take(nothing, 70).stderr)
        self.assertIn("no ordinary file", self.command_line("import", "/dev/zero").stderr)
        self.assertEqual(self.command_line("import", "/nowhere/at/all").returncode, 70)
        self.assertEqual(self.command_line("import").returncode, 64)
        self.assertEqual(len(self.me.list()), 1)

    def test_a_directory_that_is_gone(self):
        done = self.take([{"directory": "/nowhere/\x1b[2Jat/all", "type": "manual"}], 70)
        self.assertIn("/nowhere/", done.stderr)
        self.assertNotIn("\x1b", done.stderr)

    def test_huge(self):
        """A hundred thousand entries, of which one is of use."""
        place = self.directory()
        entry = {"directory": place, "type": "auto", "sessionId": "s" * 50, "lockedAt": at()}
        results = self.results([entry] * 100000 + [{"directory": place, "type": "manual"}], 70)
        self.assertEqual((len(results), results[-1], results.count("left")), (100001, "taken", 100000))
        with open(self.write(""), "wb") as file:
            file.truncate(1 << 40)
        done = self.command_line("import", file.name)
        self.assertEqual(done.returncode, 70)
        self.assertIn("64 MiB", done.stderr)

    def test_no_service(self):
        self.service.stop()
        done = self.command_line("import", self.write([]), door="direct")
        self.assertEqual(done.returncode, 69)


if __name__ == "__main__":
    harness.main()
