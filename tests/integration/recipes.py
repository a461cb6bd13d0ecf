# SPDX-License-Identifier: MIT
"""The recipes of docs/agents.md, as they stand there, each with a stand-in of the agent's command line shape that reads
the recipe's file as the agent does."""
import os
import re
import subprocess

import harness
from agent_programs import Case
from harness import both_doors, lines_of, until

RECIPES = os.path.join(harness.SOURCE, "docs", "agents.md")

# Claude Code as npm installed it: `node …/@anthropic-ai/claude-code/cli.js`. Runs the hooks of settings.json, each by a
# shell with JSON on its standard input; status 2 of a PreToolUse hook keeps the tool from running, and what it wrote to
# standard error is what the model reads. Tools come as lines on standard input.
CLAUDE = """
const fs = require("node:fs");
const { spawnSync } = require("node:child_process");
const { hooks } = JSON.parse(fs.readFileSync(".claude/settings.json"));
function fire(event, tool) {
  for (const group of hooks[event] ?? []) {
    if (tool && group.matcher && !new RegExp(`^(${group.matcher})$`).test(tool)) continue;
    for (const hook of group.hooks) {
      const input = JSON.stringify({ hook_event_name: event, tool_name: tool, cwd: process.cwd() });
      const done = spawnSync("/bin/sh", ["-c", hook.command], { input, encoding: "utf8" });
      if (done.status === 2) return done.stderr.trim();
      if (done.status !== 0) console.log(`hook error: ${done.stderr}`);
    }
  }
}
console.log(`session: ${fire("SessionStart") ?? "started"}`);
require("node:readline").createInterface({ input: process.stdin }).on("line", (tool) => {
  const blocked = fire("PreToolUse", tool);
  console.log(blocked === undefined ? `ran ${tool}` : `blocked ${tool}: ${blocked}`);
});
"""

# OpenCode as npm installed it: loads the plugins of .opencode/plugins and calls their hooks; a tool is not run when
# tool.execute.before throws.
OPENCODE = """#!/usr/bin/env node
const fs = require("node:fs");
(async () => {
  const hooks = [];
  for (const name of fs.readdirSync(".opencode/plugins"))
    for (const plugin of Object.values(await import(`${process.cwd()}/.opencode/plugins/${name}`)))
      hooks.push(await plugin({ directory: process.cwd(), worktree: process.cwd() }));
  console.log("session: started");
  for await (const tool of require("node:readline").createInterface({ input: process.stdin }))
    try {
      for (const hook of hooks) await hook["tool.execute.before"]?.({ tool }, { args: {} });
      console.log(`ran ${tool}`);
    } catch (error) {
      console.log(`blocked ${tool}: ${error.message.trim()}`);
    }
})();
"""

# agentctl launch ADAPTER --cwd DIR -p PROMPT: starts what it finds in ~/.local/bin first, in a session of its own with a
# log, and ends.
AGENTCTL = """#!/usr/bin/env node
const fs = require("node:fs");
const { spawn } = require("node:child_process");
const [, , verb, adapter, ...rest] = process.argv;
if (verb !== "launch") process.exit(1);
const given = Object.fromEntries([[rest[0], rest[1]], [rest[2], rest[3]]]);
const log = fs.openSync(`${process.env.HOME}/log`, "a");
const child = spawn(`${process.env.HOME}/.local/bin/${adapter}`, ["exec", given["-p"]],
                    { cwd: given["--cwd"], detached: true, stdio: ["ignore", log, log] });
console.log(`Launched session ${child.pid}`);
child.unref();
"""


def blocks():
    """file= of each block of docs/agents.md, and what stands in it."""
    with open(RECIPES, encoding="utf-8") as file:
        return dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL))


@both_doors
class Recipes(Case):
    def setUp(self):
        super().setUp()
        self.tried = blocks()
        self.environment = {
            **self.service.environment, **self.at_address(),
            "PATH": os.pathsep.join([f"{self.programs}/bin", os.path.dirname(self.command),
                                     self.service.environment["PATH"]]),
        }

    def write(self, folder, name, text=None):
        """The block of that name as a file below the folder."""
        path = f"{folder}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.tried[name] if text is None else text)
        return path

    def converse(self, *argv, cwd):
        process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env=self.environment,
                                   preexec_fn=harness._die_with_parent)
        for end in (process.wait, process.kill, process.stdin.close, process.stdout.close):
            self.addCleanup(end)
        process.lines = lines_of(process)
        return process

    def says(self, process, beginning):
        return until(lambda: next((line for line in process.lines() if line.startswith(beginning)), None),
                     lambda: f"{beginning!r}; it said {process.lines()}")

    @staticmethod
    def tell(process, tool):
        process.stdin.write(f"{tool}\n".encode())
        process.stdin.flush()

    def shell(self, text, cwd, **variables):
        return subprocess.run(["bash", "-c", text], cwd=cwd, env={**self.environment, **variables}, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=harness.LIMIT)

    def test_every_block_is_tried(self):
        self.assertEqual(set(self.tried), {".claude/settings.json", "codex.sh", ".opencode/plugins/agentctl-locks.js",
                                           "opencode.sh", "install-codex-starter.sh", "launch.sh", "see.sh"})

    def two_that_ask_before_each_tool(self, *argv, agent, tool):
        """The first has the directory; the second is kept from running tools until the first has ended."""
        place = self.directory()
        first = self.converse(*argv, cwd=place)
        self.says(first, "session: started")
        lock = self.me.wait_signal("LockAcquired")
        self.assertEqual((lock.pid, lock.directory, lock.lock["agent"]), (first.pid, place, agent))
        self.tell(first, tool)
        self.says(first, f"ran {tool}")

        second = self.converse(*argv, cwd=place)
        self.says(second, "session: ")
        self.tell(second, tool)
        blocked = self.says(second, f"blocked {tool}: ")
        self.assertIn("is held by", blocked)
        self.assertIn(f"pid {first.pid}", blocked)

        first.kill()
        self.me.wait_released(lock.id, "exited")
        self.tell(second, tool)
        self.says(second, f"ran {tool}")
        self.assertEqual([held["pid"] for held in self.me.list()], [second.pid])

    def test_claude_code(self):
        self.write(self.directory(), ".claude/settings.json")
        cli = self.script("lib/node_modules/@anthropic-ai/claude-code/cli.js", CLAUDE)
        self.two_that_ask_before_each_tool("node", cli, agent="claude", tool="Edit")

    def test_opencode(self):
        place = self.directory()
        self.write(place, ".opencode/plugins/agentctl-locks.js")
        self.write(place, ".opencode/package.json", '{"type": "module"}')  # node asks for it, OpenCode's bun does not
        program = self.script("lib/node_modules/opencode-ai/bin/opencode", OPENCODE)
        self.two_that_ask_before_each_tool("node", program, agent="opencode", tool="edit")

    def test_opencode_2(self):
        place = self.directory()
        self.program("bin/opencode")
        shell = self.converse("bash", "-c", self.tried["opencode.sh"] + "opencode run 'a task'; :", cwd=place)
        lock = self.me.wait_signal("LockAcquired")
        self.assertEqual((lock.directory, lock.lock["agent"]), (place, "opencode"))
        self.assertEqual(self.child_of(shell.pid, "opencode"), lock.pid)
        with open(f"/proc/{lock.pid}/cmdline", encoding="utf-8") as file:
            self.assertEqual(file.read().split("\0")[:-1], ["opencode", "--standalone", "run", "a task"])
        done = self.shell(self.tried["opencode.sh"] + "opencode", place)
        self.assertEqual(done.returncode, 75)
        self.assertIn(f"pid {lock.pid}", done.stderr)
        os.kill(lock.pid, 9)
        self.me.wait_released(lock.id, "exited")

    def codex(self):
        """On the PATH, as npm links it."""
        launcher = self.codex_npm()
        with open(launcher, encoding="utf-8") as file:
            text = file.read()
        self.script("lib/node_modules/@openai/codex/bin/codex.js", "#!/usr/bin/env node\n" + text)
        os.makedirs(f"{self.programs}/bin", exist_ok=True)
        os.symlink(launcher, f"{self.programs}/bin/codex")
        return f"{self.programs}/bin/codex"

    def test_codex(self):
        place = self.directory()
        self.codex()
        shell = self.converse("bash", "-c", self.tried["codex.sh"] + "codex exec 'a task'", cwd=place)
        lock = self.me.wait_signal("LockAcquired")
        self.assertEqual(lock.lock["agent"], "codex")
        self.child_of(lock.pid, "codex")
        done = self.shell(self.tried["codex.sh"] + "codex exec 'another task'", place)
        self.assertEqual(done.returncode, 75)
        self.assertIn(f"pid {lock.pid}", done.stderr)
        shell.kill()
        self.assertEqual(self.me.lock(lock.id)["pid"], lock.pid)
        os.kill(lock.pid, 9)
        self.me.wait_released(lock.id, "exited")

    def test_agentctl(self):
        place = self.directory()
        codex = self.codex()
        self.script("bin/agentctl", AGENTCTL)
        starter = self.tried["install-codex-starter.sh"]
        self.assertIn(" /usr/local/bin/codex ", starter)
        done = self.shell(starter.replace("/usr/local/bin/codex", codex), "/")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

        done = self.shell(self.tried["launch.sh"], "/", dir=place, prompt="a task")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lock = self.me.wait_signal("LockAcquired")
        self.assertIn(f"Launched session {lock.pid}", done.stdout)
        self.assertEqual((lock.directory, lock.lock["agent"], lock.lock["reason"]),
                         (place, "codex", "started by agentctl"))
        done = self.shell(self.tried["launch.sh"], "/", dir=place, prompt="another task")
        self.assertEqual(done.returncode, 75)
        self.assertIn(str(lock.pid), done.stdout + done.stderr)
        self.assertNotIn("Launched", done.stdout)
        # Between the look and the launch somebody came: the starter is refused, and its log says by whom.
        self.shell(f"agentctl launch codex --cwd {place} -p 'another task'", "/")

        def log():
            with open(f"{self.service.root}/home/log", encoding="utf-8") as file:
                return file.read()
        until(lambda: f"pid {lock.pid}" in log(), log)
        self.assertEqual(len(self.me.list()), 1)
        os.kill(lock.pid, 9)

    def test_how_to_see_it(self):
        place = self.directory()
        claude = self.talking("claude", place)
        claude.acquire(place)
        shown = {}
        for line in self.tried["see.sh"].splitlines():
            done = self.shell(line, place)
            self.assertEqual(done.stderr, "", line)
            shown[line.split()[1]] = (done.returncode, done.stdout)
        self.assertEqual(list(shown), ["list", "check", "occupants", "explain", "doctor"])
        self.assertEqual({name: status for name, (status, _) in shown.items() if name != "doctor"},
                         {"list": 0, "check": 75, "occupants": 0, "explain": 0})
        for name in ("list", "check", "occupants"):
            self.assertIn(str(claude.pid), shown[name][1])


if __name__ == "__main__":
    harness.main()
