# SPDX-License-Identifier: MIT
"""What is installed, and that the unit grants what is needed and no more: for each capability, what fails without
it."""
import os
import re
import subprocess
import tempfile

import harness
import machine
from harness import options


class Installed(machine.Case):
    autostart = False

    @staticmethod
    def analyze(*arguments):
        return subprocess.run(["systemd-analyze", "--no-pager", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", check=False,
                              env={**os.environ, "XDG_RUNTIME_DIR": "/tmp", "LANG": "C.UTF-8"})

    def verify(self, unit, *scope):
        """The unit in a folder of its own, its program where it is installed here."""
        with tempfile.TemporaryDirectory() as folder, open(unit, encoding="utf-8") as file:
            text = re.sub(r"^ExecStart=\S+", f"ExecStart={self.service.installation.daemon}", file.read(),
                          flags=re.MULTILINE)
            with open(f"{folder}/agentctl-locks.service", "w", encoding="utf-8") as copy:
                copy.write(text)
            result = self.analyze(*scope, "verify", "--man=no", f"{folder}/agentctl-locks.service")
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_the_units_are_clean(self):
        self.verify(self.service.installation.unit)
        self.verify(self.service.installation.user_unit, "--user")

    def test_the_sandbox_is_tight(self):
        result = self.analyze("security", "--offline=yes", self.service.installation.unit)
        level = re.search(r"exposure level for agentctl-locks.service: ([0-9.]+)", result.stdout)
        self.assertIsNotNone(level, result.stdout)
        self.assertLessEqual(float(level[1]), 2.0, result.stdout)

    def test_what_the_unit_does_not_carry_it_explains(self):
        """Each line that systemd-analyze misses is either there or has its reason beside it."""
        with open(self.service.installation.unit, encoding="utf-8") as file:
            text = file.read()
        for name in ("PrivateTmp=", "PrivateUsers=", "ProcSubset=", "RootDirectory=", "RestrictSUIDSGID="):
            self.assertRegex(text, rf"(?m)^#.*{name}", name)
        for name in ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateDevices", "PrivateNetwork",
                     "RestrictAddressFamilies", "RestrictNamespaces", "SystemCallFilter", "MemoryDenyWriteExecute",
                     "LockPersonality", "ProtectKernelTunables", "ProtectControlGroups", "ProtectClock"):
            self.assertRegex(text, rf"(?m)^{name}=", name)

    def test_folders(self):
        settings = self.service.installation.settings
        self.assertEqual(settings["RuntimeDirectoryMode"], ["0755"])
        self.assertEqual(settings["StateDirectoryMode"], ["0700"])
        self.assertEqual(settings["RuntimeDirectoryPreserve"], ["yes"], "locks outlive the service")
        self.assertEqual((settings["Type"], settings["BusName"]), (["dbus"], [harness.NAME]))
        self.assertEqual(settings["User"], [machine.SERVICE_USER])

    def test_the_configuration_that_is_installed_is_the_default(self):
        config = self.service.installation.find("agentctl-locks/agentctl-locks.conf")
        self.service.arguments.append(f"--config={config}")
        self.service.start()
        with open(config, encoding="utf-8") as file:
            keys = re.findall(r"^#(\w+)=", file.read(), re.MULTILINE)
        self.assertEqual(sorted(keys), ["CwdCheckSec", "CwdGraceSec", "DetectAgents", "MaxLocksPerUser",
                                        "MaxWaitersPerUser"])


class Running(machine.Case):
    def status(self):
        with open(f"/proc/{self.service.process.pid}/status", encoding="utf-8") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)

    def test_what_others_see_of_it(self):
        """The socket is everybody's, what it leads to is nobody's."""
        for path, mode in ((self.service.runtime, 0o755), (self.service.socket, 0o666),
                           (f"{self.service.runtime}/locks", 0o700), (self.service.state, 0o700),
                           (f"{self.service.state}/claims", 0o700)):
            st = os.stat(path)
            self.assertEqual((st.st_mode & 0o7777, st.st_uid), (mode, machine.uid_of("service")), path)

    def test_a_runtime_folder_that_it_makes_itself(self):
        self.service.stop()
        self.service.runtime = f"{self.service.root}/made/run"
        os.mkdir(os.path.dirname(self.service.runtime))
        os.chown(os.path.dirname(self.service.runtime), machine.uid_of("service"), -1)
        self.service.start()
        self.assertEqual(os.stat(self.service.runtime).st_mode & 0o7777, 0o755)

    def test_at_rest_it_can_be_nobody_else(self):
        """What acting as a caller takes is in effect only while that is done."""
        fields = self.status()
        self.assertEqual(int(fields["CapEff"], 16), 1 << 2 | 1 << 19, "CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE")
        self.assertEqual(int(fields["CapBnd"], 16), 1 << 1 | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 19)
        place = self.directory(owner="alice")
        self.holder(place, "alice")
        for task in os.listdir(f"/proc/{self.service.process.pid}/task"):
            with open(f"/proc/{self.service.process.pid}/task/{task}/status", encoding="utf-8") as file:
                text = file.read()
            self.assertIn(f"CapEff:\t{1 << 2 | 1 << 19:016x}", text)
            self.assertRegex(text, rf"Uid:(\t{machine.uid_of('service')}){{4}}\n")


class Necessary(machine.Case):
    """The same promises, each kept with all that the unit grants, each broken without one of it."""

    autostart = False

    def start_without(self, name):
        granted = self.service.installation.capabilities
        self.assertIn(name, granted)
        self.service.capabilities = [each for each in granted if each != name]
        self.service.start()
        self.me = self.client()

    def restart_with_all(self):
        self.service.stop()
        self.service.capabilities = None
        self.service.start()
        self.me = self.client()

    def test_sys_ptrace(self):
        """Without: where a process works, and what it means by a path, cannot be told."""
        place = self.directory(owner="alice")
        self.start_without("sys_ptrace")
        self.assertRaises(harness.Refused, self.agent(place, "alice").acquire, place)
        self.restart_with_all()
        self.agent(place, "alice").acquire(place)

    def test_setuid(self):
        place = self.directory(owner="alice")
        self.start_without("setuid")
        self.refused("Unavailable", self.agent(place, "alice").acquire, place)
        self.restart_with_all()
        self.agent(place, "alice").acquire(place)

    def test_setgid(self):
        place = self.directory(group="team", mode=0o770)
        self.start_without("setgid")
        self.refused("Unavailable", self.agent(place, "alice", ["team"]).acquire, place)
        self.restart_with_all()
        self.agent(place, "alice", ["team"]).acquire(place)

    def test_dac_read_search(self):
        """Without: the end of a directory in a closed folder is not seen."""
        self.directory("closed", "alice", 0o700)
        places = [self.directory(f"closed/{name}", "alice") for name in ("one", "two")]
        self.start_without("dac_read_search")
        alice = self.agent("/", "alice")
        unseen = alice.acquire(places[0], manual=True)
        os.rmdir(places[0])
        # Others come and go meanwhile, round after round.
        for _ in range(3):
            self.rounds_pass_for("alice")
        self.assertIsNotNone(self.me.lock(unseen))
        self.restart_with_all()
        if harness.handles_can_be_opened():
            harness.until(lambda: self.me.lock(unseen) is None, "the end that was not seen")
        else:
            self.rounds_pass_for("alice")
            self.assertIsNotNone(self.me.lock(unseen))
        seen = self.agent("/", "alice").acquire(places[1], manual=True)
        os.rmdir(places[1])
        self.me.wait_released(seen, "removed")

    def rounds_pass_for(self, who):
        place = self.directory(f"elsewhere-{len(self.agents)}", who)
        agent, lock = self.holder(place, who)
        agent.chdir("/")
        self.me.wait_released(lock, "left")
        agent.die()

    def test_dac_override(self):
        """Without: root is refused where root may write."""
        place = self.directory(owner="alice", mode=0o755)
        self.start_without("dac_override")
        self.refused("NotPermitted", self.agent(place, "root").acquire, place)
        self.restart_with_all()
        self.agent(place, "root").acquire(place)

    def test_together_they_are_enough(self):
        self.service.start()
        self.me = self.client()
        place = self.directory("home", "alice", 0o700)
        agent, lock = self.holder(place, "alice")
        agent.call("Transfer", lock, options(pid=agent.pid))
        agent.die()
        self.me.wait_released(lock, "exited")


if __name__ == "__main__":
    harness.main()
