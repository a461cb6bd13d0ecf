# SPDX-License-Identifier: MIT
"""`agentctl-locks monitor --format=…`: what a status bar reads."""
import json

import harness


@harness.both_doors
class Bars(harness.Case):
    def bar(self, how):
        return harness.lines_of(self.start_command_line("monitor", f"--format={how}"))

    def shows(self, lines, line):
        harness.until(lambda: lines()[-1:] == [line], lambda: f"{line!r} as the last of {lines()}")

    def test_right_from_the_first_line(self):
        self.holder(self.directory("one"))
        self.me.acquire(self.directory("two"), manual=True)
        lines = self.bar("plain:{state} {process} {manual} {waiters}")
        harness.until(lambda: lines(), "a line")
        self.assertEqual(lines()[0], "held 1 1 0")

    def test_follows(self):
        place = self.directory()
        lines = self.bar("plain:{state} {locks} {waiters} {directories}")
        self.shows(lines, "free 0 0 ")
        agent, _ = self.holder(place)
        self.shows(lines, f"held 1 0 {place}")
        other = self.agent(place)
        waiting = other.begin_acquire(place, conflict="wait")
        self.shows(lines, f"waiting 1 1 {place}")
        agent.die()
        waiting.result()
        self.shows(lines, f"held 1 0 {place}")
        other.die()
        self.shows(lines, "free 0 0 ")
        # Nothing is said twice.
        self.assertTrue(all(one != two for one, two in zip(lines(), lines()[1:])), lines())

    def test_one_who_waits_for_an_agent_without_a_lock(self):
        """Then no lock's waiters change, only their number does."""
        place = self.directory()
        self.holder(place, shared=True)
        lines = self.bar("plain:{locks} {waiters}")
        self.shows(lines, "1 0")
        waiter = self.agent(place)
        waiter.begin_acquire(place, conflict="wait")
        self.shows(lines, "1 1")
        waiter.disconnect()
        self.shows(lines, "1 0")

    def test_waybar(self):
        place = self.directory("<b>")
        agent, _ = self.holder(place, agent="claude & co")
        lines = self.bar("waybar")
        harness.until(lambda: lines(), "a line")
        self.assertEqual(json.loads(lines()[0]), {
            "text": "1", "class": "held", "alt": "held",
            "tooltip": f"{place.replace('<b>', '&lt;b&gt;')}  claude &amp; co [{agent.pid}]"})
        agent.die()
        harness.until(lambda: json.loads(lines()[-1])["class"] == "free", lambda: f"free in {lines()}")
        self.assertEqual(json.loads(lines()[-1])["text"], "")

    def test_tmux(self):
        self.holder(self.directory())
        self.shows(self.bar("tmux"), "#[fg=yellow]locks 1#[default]")

    def test_survives_a_restart(self):
        _, lock = self.holder(self.directory("one"))
        lines = self.bar("plain:{state} {locks}")
        self.shows(lines, "held 1")
        self.service.stop()
        self.shows(lines, "offline 1")
        self.service.start()
        self.shows(lines, "held 1")
        self.me = self.client()
        self.assertEqual(self.me.lock(lock)["id"], lock)
        self.holder(self.directory("two"))
        self.shows(lines, "held 2")

    def test_survives_a_kill(self):
        """What changed while there was no service is right in the first line after."""
        agent, _ = self.holder(self.directory("one"))
        self.holder(self.directory("two"))
        lines = self.bar("plain:{state} {locks}")
        self.shows(lines, "held 2")
        self.service.kill()
        self.shows(lines, "offline 2")
        agent.die()
        self.service.start()
        self.shows(lines, "held 1")
        self.assertEqual(lines(), ["held 2", "offline 2", "held 1"])

    def test_wrong_formats(self):
        for wrong in ("i3", "plain:{nothing}"):
            done = self.command_line("monitor", f"--format={wrong}")
            self.assertEqual((done.returncode, done.stdout), (64, ""))
            self.assertIn("waybar" if wrong == "i3" else "{directories}", done.stderr)
        self.assertEqual(self.command_line("monitor", "--format=plain", "--json").returncode, 64)


if __name__ == "__main__":
    harness.main()
