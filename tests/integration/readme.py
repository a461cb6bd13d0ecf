# SPDX-License-Identifier: MIT
"""Every busctl, gdbus and agentctl-locks line of the README works as pasted.

The README's shell blocks are run one after the other in one shell, as a reader would, in a work tree of
their own and with the service that the README has just started. A line that begins with "# →" after a
command says what its output contains: it is checked. Blocks that build or install are marked sh-build and
are run by tests/run.sh and tests/quickstart.sh themselves.
"""
import os
import re
import subprocess

import harness

README = os.path.join(harness.SOURCE, "README.md")


def blocks():
    """(first line's number, lines) of each ```sh block."""
    found, current = [], None
    with open(README, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if current is not None and line == "```":
                found.append(current)
                current = None
            elif current is not None:
                current[1].append(line)
            elif line == "```sh":
                current = (number + 1, [])
    return found


def steps(lines, first):
    """(line number, command, expectations): a command goes on while a line ends in a backslash."""
    out, number = [], first
    while lines:
        line, lines = lines[0], lines[1:]
        number += 1
        if line.strip() == "" or (line.startswith("#") and not line.startswith("# →")):
            continue
        if line.startswith("# →"):
            out[-1][2].append(line.removeprefix("# →").strip())
            continue
        command, at = line, number - 1
        while command.endswith("\\"):
            command, lines, number = command + "\n" + lines[0], lines[1:], number + 1
        out.append((at, command, []))
    return out


class Readme(harness.Case):
    def test_there_is_something_to_run(self):
        text = "\n".join(command for first, lines in blocks() for _, command, _ in steps(lines, first))
        for word in ("busctl", "gdbus call", "gdbus monitor", "agentctl-locks run", "agentctl-locks list"):
            self.assertIn(word, text)

    def test_no_line_escapes(self):
        """A busctl or gdbus line stands in a block that is run, not in one of another kind."""
        run = "\n".join("\n".join(lines) for _, lines in blocks())
        with open(README, encoding="utf-8") as file:
            for line in file:
                if re.match(r"\s*(busctl|gdbus) ", line):
                    self.assertIn(line.strip(), run)

    def test_every_line_works_as_pasted(self):
        place = self.directory("my-project")
        environment = {
            **self.service.environment,
            "PATH": os.pathsep.join([os.path.join(harness.BUILD, "src", "client"), self.service.environment["PATH"]]),
            "XDG_RUNTIME_DIR": f"{self.service.root}/xdg",
        }
        # The README speaks of the usual place of the direct socket.
        os.symlink(self.service.runtime, f"{self.service.root}/xdg/agentctl-locks")
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 cwd=place, env=environment, encoding="utf-8", bufsize=1)
        self.addCleanup(shell.stdout.close)
        self.addCleanup(shell.wait)
        self.addCleanup(shell.kill)
        self.addCleanup(shell.stdin.close)
        for first, lines in blocks():
            for number, command, expected in steps(lines, first):
                with self.subTest(line=number, command=command):
                    print(command, file=shell.stdin)
                    # A background job of the reader's own terminal has no prompt to wait for.
                    print('echo "=== $?"', file=shell.stdin, flush=True)
                    said = []
                    for line in shell.stdout:
                        if line.startswith("=== "):
                            break
                        said.append(line)
                    text = "".join(said)
                    status = int(line.removeprefix("=== "))
                    refused = [e for e in expected if e.startswith("exit ")]
                    self.assertEqual(status, int(refused[0].split()[1]) if refused else 0, text)
                    for words in expected:
                        if not words.startswith("exit "):
                            self.assertRegex(text, words)


if __name__ == "__main__":
    harness.main()
