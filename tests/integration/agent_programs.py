# SPDX-License-Identifier: MIT
"""Stand-ins for coding agents: real processes of the shapes that the catalogue knows, and a service that reads the
catalogue of this source tree."""
import os
import shutil
import subprocess

import harness
from harness import until

CATALOGUE = os.path.join(harness.SOURCE, "data", "agents.d")
STAND_IN = os.path.join(harness.BUILD, "tests", "unit", "stand-in")
TEST_AGENT = os.path.join(harness.BUILD, "tests", "integration", "test-agent")

# npm's launcher of Codex: starts the native program as its child, and waits for it.
CODEX_JS = """
const { spawn } = require("node:child_process");
const native = __dirname + "/../vendor/x86_64-unknown-linux-musl/codex/codex";
spawn(native, process.argv.slice(2), { stdio: "inherit" }).on("exit", () => process.exit());
"""


class Case(harness.Case):
    """A test with a service that knows agents, and a folder of programs."""

    autostart = False

    def setUp(self):
        super().setUp()
        self.service.environment["AGENTCTL_LOCKS_AGENTS_DIR"] = CATALOGUE
        self.programs = f"{self.service.root}/programs"
        os.mkdir(self.programs, 0o755)
        self.service.start()
        self.me = self.client()

    def program(self, name, source=STAND_IN):
        """A copy of a program under another name, which may have folders in it."""
        path = f"{self.programs}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path):
            shutil.copy(source, path)
        return path

    def script(self, name, text):
        path = f"{self.programs}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def codex_npm(self):
        """As npm installs it; the launcher's path."""
        package = "lib/node_modules/@openai/codex"
        self.program(f"{package}/vendor/x86_64-unknown-linux-musl/codex/codex")
        return self.script(f"{package}/bin/codex.js", CODEX_JS)

    def launch(self, *argv, cwd, environment=None, executable=None, stdin=subprocess.DEVNULL):
        """A process of the shape, running as such: its exec is over."""
        process = subprocess.Popen(argv, cwd=cwd, executable=executable, stdin=stdin,
                                   stdout=subprocess.DEVNULL, start_new_session=True,
                                   env={**self.service.environment, **(environment or {})},
                                   preexec_fn=harness._die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if process.stdin is not None:
            self.addCleanup(process.stdin.close)
        return process

    def claude(self, cwd, *arguments):
        return self.launch(self.program("claude"), *arguments, cwd=cwd)

    def talking(self, name, cwd):
        """An agent of the harness under the name of a known one."""
        return self.agent(cwd, program=self.program(name, TEST_AGENT))

    def child_of(self, pid, name):
        """The pid of the child of that name, once it runs."""
        def find():
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                for child in file.read().split():
                    with open(f"/proc/{child}/comm", encoding="utf-8") as comm:
                        if comm.read().strip() == name:
                            return int(child)
            return None
        return until(find, f"a child {name} of {pid}")

    def seen(self, directory, pid):
        """Waits until the service sees an unregistered agent there."""
        until(lambda: pid in [b["pid"] for b in self.me.check(directory)[1]], f"process {pid} in {directory}")

    @property
    def command(self):
        """How a shell that an agent starts would call agentctl-locks."""
        return os.path.join(harness.BUILD, "src", "client", "agentctl-locks")

    def at_address(self):
        return {"AGENTCTL_LOCKS_ADDRESS": self.service.address(self.door)}
