# SPDX-License-Identifier: MIT
"""agentctl-locks in other languages: what people read is theirs, what programs read is the same everywhere."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import harness
import terminal
from harness import BUILD, lines_of, until

LOCALES = {"de": "de_DE", "fr": "fr_FR", "ja": "ja_JP", "zh_CN": "zh_CN", "tr": "tr_TR"}
# In each language one sentence of a refusal, of the help, and the heading and mode of a table.
KNOWN = {
    "de": (r"ist belegt von test-agent \(PID \d+\): dort seit \d+ Sek\.", "Befehle:", "VERZEICHNIS", "exklusiv"),
    "fr": (r"est occupé par test-agent \(PID \d+\)\xa0: là depuis \d+ s\b", "Commandes\xa0:", "RÉPERTOIRE", "exclusif"),
    "ja": (r"は test-agent \(PID \d+\) が使用中です: \d+秒前から", "コマンド:", "ディレクトリ", "排他"),
    "zh_CN": (r"正被 test-agent（PID \d+） 占用：已占用\d+秒", "命令：", "目录", "独占"),
}
SECONDS_AGO = {"de": r"vor \d+ Sek\.", "fr": r"il y a \d+ s", "ja": r"\d+秒前", "zh_CN": r"\d+秒前"}
MINUTES_LEFT = {"de": r"in \d\d Min\.", "fr": r"dans \d\d min", "ja": r"\d\d分後", "zh_CN": r"\d\d分后"}
LISTED = {"de": ("1 Sperre aufgeführt.", "2 Sperren aufgeführt."), "fr": ("1 verrou affiché.", "2 verrous affichés."),
          "ja": ("1 件のロック。", "2 件のロック。"), "zh_CN": ("共列出 1 个锁。", "共列出 2 个锁。")}


FOLDER = tempfile.mkdtemp(prefix="agl-locales-")


def setUpModule():  # pylint: disable=invalid-name
    """Every locale made by localedef(1), whatever this machine has installed."""
    for name in LOCALES.values():
        # 1: made, with a warning about the locale's own source.
        done = subprocess.run(["localedef", "-i", name, "-f", "UTF-8", f"{FOLDER}/{name}.UTF-8"], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
        assert done.returncode in (0, 1) and os.path.isdir(f"{FOLDER}/{name}.UTF-8"), done.stdout


def tearDownModule():  # pylint: disable=invalid-name
    shutil.rmtree(FOLDER)


class Case(harness.Case):

    door = "direct"
    bus = False

    def speaking(self, language):
        """The environment of somebody who speaks it."""
        locale = "C.UTF-8" if language == "C" else f"{LOCALES[language]}.UTF-8"
        return {"LANG": locale, "LC_ALL": locale, "LOCPATH": FOLDER,
                "AGENTCTL_LOCKS_LOCALEDIR": os.path.join(BUILD, "po")}

    def on_terminal(self, language, *arguments, columns=80, cwd=None):
        command = [os.path.join(BUILD, "src", "client", "agentctl-locks"), arguments[0],
                   f"--address={self.service.address(self.door)}", *arguments[1:]]
        return terminal.run(command, {**self.service.environment, **self.speaking(language)}, columns, cwd)


class People(Case):
    def test_the_locales_are_there(self):
        """Else all that follows would be English everywhere."""
        for language in LOCALES:
            done = subprocess.run(["locale", "charmap"], env={**self.service.environment, **self.speaking(language)},
                                  check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
            self.assertEqual((done.stdout, done.stderr), ("UTF-8\n", ""), language)

    def test_held(self):
        place = self.directory()
        agent, _ = self.holder(place, reason="rebase")
        english = self.command_line("run", place, "--", "true", environment=self.speaking("C"))
        self.assertEqual(len(english.stderr.splitlines()), 1, english.stderr)
        for language, (held, *_) in KNOWN.items():
            with self.subTest(language):
                done = self.command_line("run", place, "--", "true", environment=self.speaking(language))
                self.assertEqual(done.returncode, 75)
                theirs, service = done.stderr.splitlines()
                self.assertRegex(theirs, held)
                for word in (place, "--wait", "--join", "rebase"):
                    self.assertIn(word, theirs)
                # Below it the service's own words, which a search engine and a colleague understand.
                self.assertIn(f'"{place}" is held by test-agent (pid {agent.pid}', service)
                self.assertIn("--wait", service)

    def test_time_is_up(self):
        """0.2 with a point, also where a decimal has a comma."""
        place = self.directory()
        self.holder(place)
        for language, words in {"de": "die Zeit ist abgelaufen, und", "fr": "le délai est écoulé et",
                                "ja": "時間切れになりました", "zh_CN": "时间已到"}.items():
            done = self.command_line("run", "--quiet", "--wait=0.2", place, "--", "true",
                                     environment=self.speaking(language))
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertIn(words, done.stderr.splitlines()[0])

    def test_other_errors_of_the_service(self):
        for language, words in {"de": "es gibt keine solche Sperre", "fr": "il n’y a pas de tel verrou",
                                "ja": "そのロックはありません", "zh_CN": "没有这个锁"}.items():
            done = self.command_line("release", "--id=4711", environment=self.speaking(language))
            self.assertEqual(done.returncode, 70)
            theirs, service = done.stderr.splitlines()
            self.assertIn(words, theirs)
            self.assertIn("There is no lock 4711", service)

    def test_our_own_errors_are_told_once(self):
        for language, words in {"de": "es gibt keinen Prozess", "fr": "il n’y a pas de processus", "ja": "はありません",
                                "zh_CN": "没有进程"}.items():
            done = self.command_line("explain", "2147483647", environment=self.speaking(language))
            self.assertEqual(done.returncode, 70)
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_what_import_leaves(self):
        path = f"{self.service.root}/locks.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump([{"directory": self.directory(), "type": "auto", "pid": 2147483647}], file)
        for language, words in {"C": "there is no process", "de": "es gibt keinen Prozess",
                                "fr": "il n’y a pas de processus", "ja": "プロセス", "zh_CN": "没有进程"}.items():
            done = self.command_line("import", path, environment=self.speaking(language))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertNotIn("There is no", done.stderr)

    def test_help(self):
        for language, (_, commands, *_) in KNOWN.items():
            done = self.command_line("--help", address=False, environment=self.speaking(language))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(commands, done.stdout.splitlines())
            self.assertNotIn("Commands:", done.stdout)
            for command in re.findall(r"^  ([a-z]+)", done.stdout, re.M):
                page = self.command_line(command, "--help", address=False, environment=self.speaking(language))
                self.assertEqual((page.returncode, page.stderr), (0, ""))
                self.assertNotRegex(page.stdout, r"Exits|The lock|Talk to|Print ")

    def test_the_rest_speaks_as_the_source_does(self):
        """No catalogue: English, whole."""
        place = self.directory()
        self.holder(place)
        done = self.command_line("run", place, "--", "true", environment=self.speaking("tr"))
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("is held by", done.stderr)

    def test_tables_on_a_terminal(self):
        place = self.directory()
        _, lock = self.holder(place)
        for language, (_, _, directory, exclusive) in KNOWN.items():
            status, lines = self.on_terminal(language, "list", "--output=id,mode,since,directory", columns=200)
            self.assertEqual(status, 0)
            self.assertEqual(lines[0].split()[-1], directory)
            self.assertRegex(lines[1], rf"^ *{lock} {exclusive} +{SECONDS_AGO[language]} +{re.escape(place)}$")
            self.assertEqual(lines[2:], ["", LISTED[language][0]])
        self.me.acquire(self.directory("claimed"), manual=True, ttl=3600)
        for language in KNOWN:
            _, lines = self.on_terminal(language, "list", "--output=kind,expires,follow", columns=200)
            self.assertRegex(lines[2], MINUTES_LEFT[language])
            self.assertEqual(lines[4], LISTED[language][1])

    def test_tables_elsewhere_are_the_same_in_every_language(self):
        self.holder(self.directory(), reason="größer")
        self.me.acquire(self.directory("claimed"), manual=True, ttl=3600)
        columns = "--output=" + ",".join(self.column_names())
        english = self.command_line("list", columns, environment=self.speaking("C"))
        self.assertRegex(english.stdout, r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}\b")
        for language in LOCALES:
            done = self.command_line("list", columns, environment=self.speaking(language))
            self.assertEqual((done.returncode, done.stdout), (0, english.stdout), language)
            # A Turk's I is no i: names of columns are not letters of a language.
            done = self.command_line("list", columns.upper().replace("--OUTPUT", "--output"),
                                     environment=self.speaking(language))
            self.assertEqual((done.returncode, done.stdout), (0, english.stdout), language)

    def column_names(self):
        text = self.command_line("list", "--output=help", environment=self.speaking("C")).stdout
        names = re.findall(r"^[* ] ([A-Z]+) ", text, re.M)
        self.assertGreater(len(names), 15)
        return [name.lower() for name in names]


class Programs(Case):
    def setUp(self):
        super().setUp()
        place = self.directory("İstanbul ıI größe 日本語")
        self.agent_pid = self.holder(place, agent="Ağent", session="I", reason="größer “ı” 理由")[0].pid
        self.me.acquire(self.directory("claimed"), manual=True, ttl=3600, shared=True, subtree=True)
        self.place = place
        # A finding that GLib words, in the user's language where it can.
        os.makedirs(f"{self.service.root}/home/config/agentctl-locks/agents.d")
        with open(f"{self.service.root}/home/config/agentctl-locks/agents.d/broken.conf", "w", encoding="utf-8") as file:
            file.write("[Agent\nName=x\n")
        os.mkdir(f"{self.service.root}/home/config/agentctl-locks/agents.d/folder.conf")

    def bytes_of(self, language, *arguments):
        environment = {**self.service.environment, **self.speaking(language)}
        command = [os.path.join(BUILD, "src", "client", "agentctl-locks"), arguments[0],
                   f"--address={self.service.address(self.door)}", *arguments[1:]]
        done = subprocess.run(command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=harness.LIMIT, check=False)
        self.assertEqual(done.stderr, b"", (language, arguments))
        return done.stdout

    def same_everywhere(self, *arguments, of=lambda text: text):
        """@of: what of it is our own doing."""
        english = of(self.bytes_of("C", *arguments).decode())
        self.assertNotEqual(english, "")
        for language in LOCALES:
            self.assertEqual(of(self.bytes_of(language, *arguments).decode()), english, language)
        return english

    def of_ours(self, text):
        """Of an array: the text of those objects, to the letter, that are of this test's folder. The machine's other
        processes come and go, also those of the one object that lists every service, and of each line that says to
        which of them to send a signal."""
        decoder, found, at = json.JSONDecoder(), "", text.index("[") + 1
        while match := re.compile(r"[\s,]*(?=\{)").match(text, at):
            one, end = decoder.raw_decode(text, match.end())
            if self.service.root in text[match.end():end] and one["kind"] != "several-instances":
                found += text[match.end():end] + "\n"
            at = end
        return re.sub(r"kill -HUP [\d ]+", "kill -HUP PIDS", found)

    def test_list(self):
        self.assertEqual(json.loads(self.same_everywhere("list", "--json")), self.me.list())

    def test_check(self):
        self.assertFalse(json.loads(self.same_everywhere("check", "--json", self.place))["free"])

    def test_occupants(self):
        self.assertEqual(len(json.loads(self.same_everywhere("occupants", "--json", self.place))), 1)

    def test_explain(self):
        self.assertEqual(json.loads(self.same_everywhere("explain", "--json", str(self.agent_pid)))["pid"],
                         self.agent_pid)

    def test_doctor(self):
        found = self.same_everywhere("doctor", "--json", of=self.of_ours)
        self.assertEqual(found.count('"broken-catalogue-file"'), 2, found)

    def test_what_doctor_tells_people_is_theirs(self):
        status, lines = self.on_terminal("de", "doctor", columns=200)
        self.assertEqual(status, 70)
        self.assertTrue(any("sie ist keine gewöhnliche Datei" in line for line in lines), lines)

    def test_metrics(self):
        self.assertIn("agentctl_locks_active", self.same_everywhere("metrics"))

    def test_acquire_and_release(self):
        place = self.directory("other")
        for language in ("C", *LOCALES):
            self.assertRegex(self.bytes_of(language, "claim", "--json", place), rb'^\{"id":\d+\}\n$')
            self.assertEqual(self.bytes_of(language, "release", "--json", place), b'{"released":1}\n')

    def test_monitor(self):
        lines = {}
        for language in ("C", *LOCALES):
            lines[language] = lines_of(self.start_command_line("monitor", "--json",
                                                               environment=self.speaking(language)))
        number = 0

        def seen(event):
            return all(any(event in line for line in told()) for told in lines.values())
        # Each begins to listen in its own time: go on until all have seen one come.
        while not seen('"LockAcquired"'):
            number += 1
            self.assertLess(number, harness.LIMIT)
            self.me.acquire(self.directory(f"İ-{number}"), manual=True)
            try:
                until(lambda: seen('"LockAcquired"'), "events", limit=1)
            except AssertionError:
                continue
        last = max(lock["id"] for lock in self.me.list())
        self.me.release(id=last)
        until(lambda: seen('"LockReleased"'), "the end of it")

        def of_last(language):
            return [re.sub(r'"at":\d+', '"at":0', line) for line in lines[language]() if f'"id":{last},' in line]
        self.assertEqual(len(of_last("C")), 2)
        for language in LOCALES:
            self.assertEqual(of_last(language), of_last("C"), language)


BASH = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; } # for use within a completion alone
_agentctl_locks
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source $argv[1]; complete -C $argv[2]"


class Completions(Case):
    """They read --help, which is translated: what they offer is the same."""

    def offered(self, language, line):
        scripts = os.path.join(harness.SOURCE, "data", "completions", "agentctl-locks")
        words = re.split(r" |(?<=output)(=)", line)
        environment = {**self.service.environment, **self.speaking(language), "HISTFILE": "/dev/null",
                       "PATH": os.path.join(BUILD, "src", "client") + ":" + os.environ["PATH"],
                       "AGENTCTL_LOCKS_ADDRESS": self.service.address("direct-bus")}
        found = []
        for command in (["bash", "--norc", "--noprofile", "-c", BASH, "bash", scripts + ".bash", line,
                         *(word for word in words if word is not None)],
                        ["fish", "--no-config", "-c", FISH, scripts + ".fish", line]):
            done = subprocess.run(command, env=environment, cwd=self.directory("empty"), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                  timeout=harness.LIMIT, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            found.append(sorted({word.split("\t")[0] for word in done.stdout.splitlines()}))
        return found

    def test_they_are_the_same_in_every_language(self):
        for line, one in (("agentctl-locks ", "transfer"), ("agentctl-locks list --", "--under="),
                          ("agentctl-locks run --", "--conflict-exit-code="),
                          ("agentctl-locks list --output=", "EXPIRES")):
            english = self.offered("C", line)
            for offered in english:
                self.assertTrue(any(word.removeprefix("--output=") == one for word in offered), (line, english))
            for language in LOCALES:
                self.assertEqual(self.offered(language, line), english, (language, line))


class Widths(Case):
    """Tables where a character is two cells wide, or none."""

    NAMES = ("日本語/プロジェクト", "한국어/프로젝트-길다-길다-길다-길다", "e\u0301te\u0301/cafe\u0301", "😀/🇯🇵/👨🏽", "plain")

    def setUp(self):
        super().setUp()
        for number, name in enumerate(self.NAMES):
            self.me.acquire(self.directory(name), manual=True, shared=number % 2 == 0,
                            reason="理由は長い" * 9 if number == 0 else "ascii")

    def table(self, columns, *more):
        status, lines = self.on_terminal("ja", "list", *more, columns=columns)
        self.assertEqual((status, lines[-2:]), (0, ["", "5 件のロック。"]))
        for line in lines:
            self.assertLessEqual(len(terminal.cells_of(line)), columns, line)
        return terminal.table_of(lines[:-2])

    def check_cut(self, shown, whole, from_start):
        if shown == whole:
            return
        self.assertIn("…", shown)
        kept = shown.replace("…", "")
        self.assertTrue(whole.endswith(kept) if from_start else whole.startswith(kept), (shown, whole))
        # No accent and no second half without what it belongs to.
        rest = kept if from_start else whole[len(kept):]
        self.assertFalse(rest and terminal.width_of(rest[0]) == 0, (shown, whole))

    def check(self, table):
        heads, rows = table[0], table[1:]
        locks = self.me.list()
        self.assertEqual(len(rows), len(locks))
        for row, lock in zip(rows, locks):
            self.assertEqual(len(row), len(heads), row)
            cells = dict(zip(heads, row))
            self.check_cut(cells["ディレクトリ"], lock["directory"], True)
            if "理由" in cells:
                self.check_cut(cells["理由"], lock["reason"], False)
            if "モード" in cells:
                self.assertEqual(cells["モード"], "共有" if lock["shared"] else "排他")
            if "ID" in cells:
                self.assertEqual(cells["ID"], str(lock["id"]))

    def test_200_columns(self):
        table = self.table(200)
        self.check(table)
        self.assertEqual(len(table[0]), 10)
        self.assertEqual([row[8] for row in table[1:]], [lock["directory"] for lock in self.me.list()])

    def test_80_columns(self):
        table = self.table(80)
        self.check(table)
        self.assertTrue(any("…" in row[table[0].index("ディレクトリ")] for row in table[1:]), table)

    def test_40_columns(self):
        """There is not room for all: what matters least goes, the directory stays, with the end of its path."""
        table = self.table(40)
        self.check(table)
        self.assertIn("ディレクトリ", table[0])
        self.assertIn("誰", table[0])
        self.assertNotIn("CWD", table[0])
        for row, lock in zip(table[1:], self.me.list()):
            cell = row[table[0].index("ディレクトリ")]
            self.assertTrue(cell.startswith("…") and lock["directory"].endswith(cell[1:]), cell)
            self.assertGreaterEqual(len(terminal.cells_of(cell)), 7, cell)

    def test_what_was_asked_for_stays(self):
        """Named columns are all shown, however little room there is."""
        status, lines = self.on_terminal("ja", "list", "--output=id,pid,uid,mode,since,cwd,kind,directory", columns=20)
        self.assertEqual(status, 0)
        self.assertEqual(len(terminal.table_of(lines[:1])[0]), 8)

    def test_help_is_aligned(self):
        for language in ("ja", "zh_CN"):
            text = self.command_line("--help", address=False, environment=self.speaking(language)).stdout
            rows = [terminal.cells_of(line) for line in text.splitlines() if line.startswith("  ")]
            starts = {next(index for index in range(len(row) - 1, 1, -1)
                           if row[index - 2:index] == [" ", " "] and row[index] != " ") for row in rows}
            self.assertEqual(len(starts), 1, text)

    def test_a_wait_fits_into_one_line(self):
        place = self.directory("日本語/" + "長い" * 40)
        self.me.acquire(place, manual=True)
        command = [os.path.join(BUILD, "src", "client", "agentctl-locks"), "wait",
                   f"--address={self.service.address(self.door)}", place]
        screen = terminal.Screen(self, command, {**self.service.environment, **self.speaking("ja")}, 40)
        until(lambda: screen.lines()[-1].endswith("…"), lambda: f"whom it waits for on {screen.lines()}")
        self.assertTrue(screen.lines()[-1].startswith("["), screen.lines())
        self.assertLess(len(terminal.cells_of(screen.lines()[-1])), 40)
        self.assertEqual(len(screen.lines()), 1, "all of it in one line")


if __name__ == "__main__":
    harness.main()
