# SPDX-License-Identifier: MIT
"""Completions in the shells themselves, with a service of their own to ask.

bash's and fish's candidates are asked for as the shell asks (COMP_WORDS; complete -C); zsh's are caught where they are
added, in an interactive shell on a terminal of its own. Then in bash and zsh a key is pressed and the line looked at.
"""
import os
import pty
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402
from harness import until  # noqa: E402

CLIENT_FOLDER = os.path.join(harness.BUILD, "src", "client")
SCRIPTS = os.path.join(harness.SOURCE, "data", "completions")

BASH = r"""
source "$1/agentctl-locks.bash"
shift
COMP_LINE=$1 COMP_POINT=${#1}
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; } # for use within a completion alone
_agentctl_locks
[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}"
"""
BASH_START = r"""
PS1=; source "$SCRIPTS/agentctl-locks.bash"
show() { printf '%s\n' "$READLINE_LINE" >"$OUT.new"; READLINE_LINE=; READLINE_POINT=0; mv "$OUT.new" "$OUT"; }
bind -x '"\C-g": show'
bind 'set enable-bracketed-paste off'
: >"$OUT"
"""
ZSH_START = r"""
PS1= RPS1=; unsetopt zle_bracketed_paste list_beep; unset zle_bracketed_paste
fpath=("$SCRIPTS" $fpath); autoload -Uz compinit; compinit -D -u
compadd() {
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
    typeset -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >>"$OUT.hits"
  fi
  builtin compadd "$@"
}
show() { print -r -- "$BUFFER" >"$OUT.new"; BUFFER=; mv "$OUT.new" "$OUT" }
zle -N show; bindkey '^G' show; bindkey '^I' complete-word
setopt no_auto_menu no_list_ambiguous
: >"$OUT"
"""


class Terminal:
    """A shell on a terminal. press() types a line and a tab, and tells what became of the line."""

    def __init__(self, test, command, start):
        self.out = os.path.join(test.service.root, "line")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(test.place)
            os.execvpe(command[0], command, {**test.environment, "SCRIPTS": SCRIPTS, "OUT": self.out, "TERM": "dumb",
                                             "HISTFILE": "/dev/null"})
        os.set_blocking(self.fd, False)
        self.said = b""
        path = os.path.join(test.service.root, "start")
        with open(path, "w", encoding="utf-8") as file:
            file.write(start)
        self.type(f"source {path}\n")
        self.wait()

    def type(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.fd, data):]

    def wait(self):
        def there():
            try:
                self.said += os.read(self.fd, 65536)
            except OSError:
                pass  # nothing to read
            return os.path.exists(self.out)
        until(there, lambda: f"the shell; it said {self.said.decode(errors='replace')}")
        with open(self.out, encoding="utf-8") as file:
            line = file.read().removesuffix("\n")
        os.unlink(self.out)
        return line

    def press(self, line):
        self.type(line + "\t\a")
        return self.wait()

    def hits(self, line):
        open(self.out + ".hits", "w", encoding="utf-8").close()
        self.press(line)
        with open(self.out + ".hits", encoding="utf-8") as file:
            return sorted(set(file.read().splitlines()) - {""})

    def close(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


class Shell(harness.Case):
    """What holds in every shell; a subclass says how to ask it."""

    bus = False
    arguments = ("--no-bus",)
    door = "direct"

    def setUp(self):
        super().setUp()
        self.place = self.directory("somewhere")
        self.environment = {**os.environ, **self.service.environment, "LC_ALL": "C.UTF-8", "LANGUAGE": "",
                            "HOME": self.service.root, "XDG_CONFIG_HOME": self.service.root,
                            "XDG_DATA_HOME": self.service.root, "XDG_CACHE_HOME": self.service.root,
                            "PATH": CLIENT_FOLDER + ":" + os.environ["PATH"],
                            "AGENTCTL_LOCKS_ADDRESS": self.service.address("direct-bus")}
        self.terminal = None
        self.addCleanup(lambda: self.terminal and self.terminal.close())

    def client_says(self, *arguments):
        return subprocess.run(["agentctl-locks", *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8",
                              env=self.environment, stdin=subprocess.DEVNULL).stdout

    def commands(self):
        listed = self.client_says("--help").split("Commands:\n")[1].split("\n\n")[0]
        return sorted(re.findall(r"^  ([a-z-]+)", listed, re.M))

    def test_commands(self):
        self.assertGreater(len(self.commands()), 5)
        self.assertEqual(self.candidates("agentctl-locks "), self.commands())
        self.assertEqual(self.candidates("agentctl-locks --user rel"), ["release"])

    def test_options_of_each_command(self):
        for command in self.commands():
            with self.subTest(command):
                there = re.findall(r"^  (?:-\w, )?(--[\w-]+)", self.client_says(command, "--help"), re.M)
                said = [word.rstrip("=") for word in self.candidates(f"agentctl-locks {command} --")]
                self.assertEqual(said, sorted(there))

    def test_options_without_a_command(self):
        said = [word.rstrip("=") for word in self.candidates("agentctl-locks --")]
        for option in ("--version", "--user", "--json", "--help"):
            self.assertIn(option, said)

    def test_lock_ids(self):
        ids = sorted(str(self.me.acquire(self.directory(name), manual=True)) for name in ("one", "two", "three"))
        self.assertEqual(self.values("agentctl-locks release --id="), ids)
        self.assertEqual(self.values("agentctl-locks transfer --id "), ids)

    def test_no_locks(self):
        self.assertEqual(self.values("agentctl-locks release --id="), [])

    def test_held_directories(self):
        held = self.directory("held here")
        self.me.acquire(held, manual=True)
        os.mkdir(os.path.join(self.place, "beside"))
        for command in ("release", "check", "wait"):
            with self.subTest(command):
                found = [word.rstrip("/") for word in self.candidates(f"agentctl-locks {command} ")]
                self.assertIn(held, found)
                self.assertIn("beside", found)
        found = [word.rstrip("/") for word in self.candidates("agentctl-locks run ")]
        self.assertNotIn(held, found)
        self.assertIn("beside", found)

    def test_pids(self):
        agent, _ = self.holder(self.directory("worked in"))
        other = self.agent(self.directory("other"))
        self.assertEqual(self.values("agentctl-locks release --pid="), [str(agent.pid)])
        for line in ("agentctl-locks acquire --pid=", "agentctl-locks explain "):
            with self.subTest(line):
                found = self.values(line)
                self.assertIn(str(agent.pid), found)
                self.assertIn(str(other.pid), found)

    def test_kinds_and_columns(self):
        self.assertEqual(self.values("agentctl-locks list --kind="), ["manual", "process"])
        for command in ("list", "occupants"):
            there = re.findall(r"^[* ] ([A-Z]+)", self.client_says(command, "--output=help"), re.M)
            self.assertEqual(self.values(f"agentctl-locks {command} --output="), sorted(there))

    def test_the_service_that_the_line_names(self):
        """Not the one of $AGENTCTL_LOCKS_ADDRESS."""
        other = harness.Service({}, ["--no-bus"], False, None)
        self.addCleanup(other.cleanup)
        other.start()
        client = harness.Client(other.address("direct"), "direct")
        self.addCleanup(client.close)
        self.me.acquire(self.directory("here"), manual=True)
        there = [str(client.acquire(self.directory(name), manual=True)) for name in ("there", "and there")]
        line = f"agentctl-locks release --address={other.address('direct')} --id="
        self.assertEqual(self.values(line), sorted(there))

    def test_no_service(self):
        """Nothing to offer, and nothing said."""
        self.environment["AGENTCTL_LOCKS_ADDRESS"] = f"unix:path={self.service.root}/nobody"
        self.assertEqual(self.values("agentctl-locks release --id="), [])

    def test_what_run_becomes(self):
        self.assertIn("agentctl-locks", self.candidates("agentctl-locks run . -- agentctl-lock"))

    def values(self, line):
        """Candidates for the value of an option, however much of the word the shell gives."""
        return sorted(re.sub(r"^--\w+=", "", word) for word in self.candidates(line))


class Bash(Shell):
    def candidates(self, line):
        words = [word for word in re.split(r"\s+|([=:]+)", line) if word]
        if line[-1] in " =:":
            words += [""] if line[-1] == " " else []
        done = subprocess.run(["bash", "--norc", "--noprofile", "-c", BASH, "bash", SCRIPTS, line, *words],
                              env=self.environment, cwd=self.place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(set(done.stdout.splitlines()))

    def test_a_key(self):
        self.me.acquire(self.directory("held here"), manual=True)
        self.terminal = Terminal(self, ["bash", "--norc", "--noprofile", "-i"], BASH_START)
        self.assertEqual(self.terminal.press("agentctl-locks rel"), "agentctl-locks release ")
        self.assertEqual(self.terminal.press("agentctl-locks release --id="), "agentctl-locks release --id=1 ")
        self.assertEqual(self.terminal.press("agentctl-locks release --for"), "agentctl-locks release --force ")
        self.assertEqual(self.terminal.press("agentctl-locks claim --tt"), "agentctl-locks claim --ttl=")
        self.assertRegex(self.terminal.press(f"agentctl-locks release {self.service.root}/work/hel"),
                         r"/held\\ here[/ ]$")


class Zsh(Shell):
    def candidates(self, line):
        if self.terminal is None:
            self.terminal = Terminal(self, ["zsh", "-f", "-i"], ZSH_START)
        return [re.sub(r"\\(.)", r"\1", word) for word in self.terminal.hits(line)]

    def test_a_key(self):
        self.me.acquire(self.directory("held here"), manual=True)
        self.terminal = Terminal(self, ["zsh", "-f", "-i"], ZSH_START)
        self.assertEqual(self.terminal.press("agentctl-locks rel"), "agentctl-locks release ")
        self.assertEqual(self.terminal.press("agentctl-locks release --id="), "agentctl-locks release --id=1 ")
        self.assertEqual(self.terminal.press("agentctl-locks release --for"), "agentctl-locks release --force ")
        self.assertEqual(self.terminal.press("agentctl-locks claim --tt"), "agentctl-locks claim --ttl=")
        self.assertRegex(self.terminal.press(f"agentctl-locks release {self.service.root}/work/hel"),
                         r"/held\\ here[/ ]?$")


class Fish(Shell):
    def candidates(self, line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {SCRIPTS}/agentctl-locks.fish; complete -C $argv[1]",
                               line], env=self.environment, cwd=self.place, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=harness.LIMIT,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted({word.split("\t")[0] for word in done.stdout.splitlines()})


class Shells(unittest.TestCase):
    def test_they_are_there(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertIsNotNone(shutil.which(shell), shell)


del Shell  # the base itself is no test

if __name__ == "__main__":
    harness.main()
