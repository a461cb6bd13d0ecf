# SPDX-License-Identifier: MIT
"""`agentctl-locks metrics`, as Prometheus reads it."""
import re
import subprocess

import interop  # noqa: F401
from interop import harness


class Metrics(harness.Case):
    def read(self):
        done = self.command_line("metrics")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        checked = subprocess.run(["promtool", "check", "metrics"], input=done.stdout, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, encoding="utf-8", timeout=harness.LIMIT, check=False)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        return dict(re.fullmatch(r"(\S+) (\S+)", line).groups() for line in done.stdout.splitlines()
                    if not line.startswith("#"))

    def test_nothing_yet(self):
        numbers = self.read()
        self.assertEqual(numbers['agentctl_locks_active{type="auto"}'], "0")
        self.assertEqual(numbers["agentctl_locks_hold_seconds_count"], "0")
        self.assertEqual(numbers['agentctl_locks_wait_seconds_bucket{le="+Inf"}'], "0")
        version = self.me.get("Version")
        self.assertEqual(numbers[f'agentctl_locks_build_info{{version="{version}",scope="user"}}'], "1")

    def test_a_life(self):
        place = self.directory()
        agent, first = self.holder(place)
        second = self.agent(place)
        waiting = second.begin_acquire(place, conflict="wait")
        harness.until(lambda: self.me.get("WaiterCount") == 1, "a waiter")
        self.me.acquire(self.directory("claim"), manual=True, shared=True)
        self.refused("Held", self.me.acquire, place, follow_cwd=False)
        numbers = self.read()
        self.assertEqual(numbers['agentctl_locks_active{type="auto"}'], "1")
        self.assertEqual(numbers['agentctl_locks_active{type="manual"}'], "1")
        self.assertEqual(numbers['agentctl_locks_held{kind="process",mode="exclusive"}'], "1")
        self.assertEqual(numbers['agentctl_locks_held{kind="manual",mode="shared"}'], "1")
        self.assertEqual(numbers["agentctl_locks_waiters"], "1")
        self.assertEqual(numbers["agentctl_locks_refused_total"], "1")
        self.assertEqual(numbers["agentctl_locks_hold_seconds_count"], "0")
        self.assertEqual(numbers["agentctl_locks_wait_seconds_count"], "0")

        agent.die()
        waiting.result()
        self.me.wait_released(first, "exited")
        numbers = self.read()
        self.assertEqual(numbers["agentctl_locks_acquired_total"], "3")
        self.assertEqual(numbers["agentctl_locks_waited_total"], "1")
        self.assertEqual(numbers['agentctl_locks_released_total{reason="exited"}'], "1")
        self.assertEqual(numbers['agentctl_locks_released_total{reason="stolen"}'], "0")
        for what in ("hold", "wait"):
            self.assertEqual(numbers[f"agentctl_locks_{what}_seconds_count"], "1")
            self.assertEqual(numbers[f'agentctl_locks_{what}_seconds_bucket{{le="86400"}}'], "1")
            self.assertGreater(float(numbers[f"agentctl_locks_{what}_seconds_sum"]), 0)

    def test_a_restart(self):
        """What ended while the service was down was held until then, and counts as released."""
        agent, lock = self.holder(self.directory())
        _, stays = self.holder(self.directory("stays"))
        self.service.kill()
        agent.die()
        self.service.start()
        self.me = self.client()
        numbers = self.read()
        self.assertEqual(numbers['agentctl_locks_released_total{reason="exited"}'], "1")
        self.assertEqual(numbers["agentctl_locks_hold_seconds_count"], "1")
        self.assertEqual(numbers["agentctl_locks_restored_total"], "1")
        self.assertEqual([lock["id"] for lock in self.me.list()], [stays])
        self.assertNotEqual(lock, stays)

    def test_no_service(self):
        self.service.stop()
        done = self.command_line("metrics", door="direct")
        self.assertEqual((done.returncode, done.stdout), (69, ""))


if __name__ == "__main__":
    harness.main()
