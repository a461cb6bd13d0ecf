# SPDX-License-Identifier: MIT
"""Every busctl, gdbus and agentctl-locks line of the README works as pasted.

The README's shell blocks are run one after the other in one shell, as a reader would, in a work tree of
their own and with the service that the README has just started. A line that begins with "# →" after a
command says what its output contains, or its exit status. (Blocks marked "shell" build and install: that is
what tests/run.sh and tests/quickstart.sh do.)
"""
import os
import re
import subprocess
import unittest

import harness
from harness import until

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


class Readme(unittest.TestCase):
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

    def test_its_links_lead_somewhere(self):
        with open(README, encoding="utf-8") as file:
            links = re.findall(r"\]\(([^)#:]+)\)", file.read())
        self.assertNotEqual(links, [])
        for link in links:
            self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, link)), link)


class Tour(harness.Case):
    autostart = False

    def test_every_line_works_as_pasted(self):
        self.service.runtime = f"{self.service.root}/xdg/agentctl-locks"  # where the README says it is
        self.service.start()
        place = self.directory("my-project")
        environment = {
            **self.service.environment,
            "PATH": os.pathsep.join([os.path.join(harness.BUILD, "src", "client"), self.service.environment["PATH"]]),
            # Never a service of the machine that the tests run on.
            "AGENTCTL_LOCKS_ADDRESS": self.service.address("bus"),
        }
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 cwd=place, env=environment, start_new_session=True)
        for clean_up in (shell.stdout.close, shell.wait, shell.kill, shell.stdin.close):
            self.addCleanup(clean_up)
        output = harness.lines_of(shell)
        read = 0
        for first, lines in blocks():
            for number, command, expected in steps(lines, first):
                shell.stdin.write(f'{command}\necho "=== $?"\n'.encode())
                shell.stdin.flush()

                def said():
                    return [line for line in output()[read:] if not line.startswith("=== ")]
                status = until(lambda: [line for line in output()[read:] if line.startswith("=== ")],
                               lambda: f"the end of README line {number}, which said {said()}")[0]
                wanted = [words.removeprefix("exit ") for words in expected if words.startswith("exit ")] or ["0"]
                self.assertEqual(status, f"=== {wanted[0]}", f"README line {number}: {command}\n{said()}")
                # What a command in the background says may come a little later.
                for words in expected:
                    if not words.startswith("exit "):
                        until(lambda: words in "\n".join(said()),
                              lambda: f"{words!r} after README line {number}, {command}; it said {said()}")
                read = len(output())


if __name__ == "__main__":
    harness.main()
