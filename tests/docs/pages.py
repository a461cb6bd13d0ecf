# SPDX-License-Identifier: MIT
"""The manual pages say all that there is, and nothing that there is not.

What there is comes from the programs themselves (--help, a running service) and from the tables in their sources;
what is said, from the pages as Docutils reads them.
"""
import os
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree

import docutils.core
import docutils.nodes
import docutils.utils

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402

PAGES = os.path.join(harness.BUILD, "docs", "man")
CLIENT = os.path.join(harness.BUILD, "src", "client", "agentctl-locks")
DAEMON = os.path.join(harness.BUILD, "src", "service", "agentctl-locksd")
APPLET = os.path.join(harness.BUILD, "src", "applet", "agentctl-locks-applet")
NAMES = ["agentctl-locks.1", "agentctl-locksd.8", "agentctl-locks.conf.5", "agentctl-locks.agents.5",
         "org.agentctl.Locks.5"]
HAS_APPLET = os.path.exists(APPLET)  # where GTK is
if HAS_APPLET:
    NAMES.append("agentctl-locks-applet.1")
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL).stdout


def source(*path):
    with open(os.path.join(harness.SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def sources(folder):
    return {name: source("src", folder, name) for name in os.listdir(os.path.join(harness.SOURCE, "src", folder))
            if name.endswith((".c", ".h"))}


class Page:
    """A page in reStructuredText; what Docutils warns of ends the test."""

    _read = {}

    def __new__(cls, name):
        if name not in cls._read:
            cls._read[name] = super().__new__(cls)
            with open(os.path.join(PAGES, name + ".rst"), encoding="utf-8") as file:
                cls._read[name].tree = docutils.core.publish_doctree(
                    file.read(), settings_overrides={"halt_level": docutils.utils.Reporter.WARNING_LEVEL,
                                                     "report_level": docutils.utils.Reporter.WARNING_LEVEL,
                                                     "_disable_config": True})
        return cls._read[name]

    def section(self, *titles):
        node = self.tree
        for title in titles:
            node = next(child for child in node.findall(docutils.nodes.section)
                        if child.next_node(docutils.nodes.title).astext() == title)
        return node

    def subsections(self, *titles):
        return [child.next_node(docutils.nodes.title).astext()
                for child in self.section(*titles).children if isinstance(child, docutils.nodes.section)]

    @staticmethod
    def terms(node):
        """Of all lists of definitions below: what is written as it is typed, a list for each term."""
        return [[literal.astext() for literal in term.findall(docutils.nodes.literal)]
                for term in node.findall(docutils.nodes.term)]

    def definition(self, node, term):
        """The text of one definition."""
        for item in node.findall(docutils.nodes.definition_list_item):
            if term in [literal.astext() for literal in item.next_node(docutils.nodes.term).findall(
                    docutils.nodes.literal)]:
                return item.next_node(docutils.nodes.definition).astext()
        raise AssertionError(f"there is no {term}")

    def paragraph(self, node, start):
        return next(child for child in node.findall(docutils.nodes.paragraph) if child.astext().startswith(start))


def help_options(text):
    """"-w, --wait=[SECONDS]  ..." lines → {"--wait": ("-w", "[SECONDS]")}"""
    found = re.findall(r"^  (?:(-\w), )?(--[\w-]+)(?:=(\S+))?(?:  |$)", text, re.M)
    return {name: (letter, value) for letter, name, value in found}


def page_options(terms):
    """The same of terms like ["-w", "--wait[=SECONDS]"] and ["-E N", "--conflict-exit-code=N"]."""
    found = {}
    for term in terms:
        letters = [literal for literal in term if not literal.startswith("--")]
        name, optional, value = re.fullmatch(r"(--[\w-]+)(\[?)=?([\w]*)\]?",
                                             next(literal for literal in term if literal.startswith("--"))).groups()
        found[name] = (letters[0].split()[0] if letters else "", f"[{value}]" if optional else value)
    return found


class CommandLine(unittest.TestCase):
    page = property(lambda self: Page("agentctl-locks.1"))

    def commands(self):
        listed = output(CLIENT, "--help").split("Commands:\n")[1].split("\n\n")[0]
        return re.findall(r"^  ([a-z-]+)", listed, re.M)

    def test_commands(self):
        self.assertGreater(len(self.commands()), 5)
        self.assertEqual(self.page.subsections("COMMANDS"), self.commands())

    def test_options_of_each_command(self):
        for command in self.commands():
            with self.subTest(command):
                section = self.page.section("COMMANDS", command)
                said = [node.astext() for node in self.page.paragraph(section, "Options:").findall(
                    docutils.nodes.literal)]
                there = list(help_options(output(CLIENT, command, "--help")))
                there.remove("--help")
                self.assertEqual(said, there)

    def test_options(self):
        there = {"--version": ("", "")}
        for command in self.commands():
            there.update(help_options(output(CLIENT, command, "--help")))
        self.assertEqual(page_options(self.page.terms(self.page.section("OPTIONS"))), there)

    def test_synopsis_of_each_command(self):
        for command in self.commands():
            with self.subTest(command):
                usage = re.search(r"agentctl-locks (.*)", output(CLIENT, command, "--help"))[1].replace("…", "...")
                first = self.page.section("COMMANDS", command).next_node(docutils.nodes.paragraph).astext()
                self.assertEqual(first, usage)

    def test_exit_statuses(self):
        text = source("src", "client", "exit-status.h")
        there = {int(value) if value.isdigit() else getattr(os, value)
                 for value in re.findall(r"AGL_EXIT_\w+ = (\w+)", text)}
        self.assertEqual({int(term[0]) for term in self.page.terms(self.page.section("EXIT STATUS"))}, there)

    def test_exit_statuses_in_the_help(self):
        said = {term[0] for term in self.page.terms(self.page.section("EXIT STATUS"))}
        for command in self.commands():
            with self.subTest(command):
                last = re.search(r"^Exits.*", output(CLIENT, command, "--help"), re.M | re.S)[0]
                self.assertLessEqual(set(re.findall(r"\b\d+\b", last)), said)

    def test_columns(self):
        there = set()
        for command in self.commands():
            if "--output" in help_options(output(CLIENT, command, "--help")):
                there |= set(re.findall(r"^[* ] ([A-Z]+)", output(CLIENT, command, "--output=help"), re.M))
        self.assertGreater(len(there), 10)
        terms = sum(self.page.terms(self.page.section("OUTPUT", "Columns")), [])
        self.assertEqual(sorted(terms), sorted(there))

    def test_findings_of_doctor(self):
        there = re.findall(r'\{ "([a-z-]+)", describe_', source("src", "client", "cmd-doctor.c"))
        self.assertGreater(len(there), 5)
        self.assertEqual(self.page.terms(self.page.section("COMMANDS", "doctor")), [[kind] for kind in there])


class Daemon(unittest.TestCase):
    page = property(lambda self: Page("agentctl-locksd.8"))

    def test_options(self):
        self.assertEqual(page_options(self.page.terms(self.page.section("OPTIONS"))),
                         help_options(output(DAEMON, "--help")))

    def test_exit_statuses(self):
        text = source("src", "service", "main.c")
        numbers = {"EXIT_SUCCESS": 0, "EXIT_FAILURE": 1,
                   **{name: int(value) for name, value in re.findall(r"#define (EXIT_\w+) (\d+)", text)}}
        there = {numbers[name] for name in re.findall(r"return (EXIT_\w+);", text)}
        self.assertEqual({int(term[0]) for term in self.page.terms(self.page.section("EXIT STATUS"))}, there)

    def test_exit_statuses_as_they_are(self):
        for status, arguments in ((64, []), (64, ["--user", "--no-such-option"]), (0, ["--version"]),
                                  (1, ["--user", "--no-bus", "--config=/nonexistent/configuration"])):
            with self.subTest(arguments):
                done = subprocess.run([DAEMON, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=harness.LIMIT, check=False)
                self.assertEqual(done.returncode, status, done.stderr)


if HAS_APPLET:
    class Applet(unittest.TestCase):
        page = property(lambda self: Page("agentctl-locks-applet.1"))

        def test_options(self):
            there = help_options(output(APPLET, "--help").split("Application Options:\n")[1])
            self.assertEqual(page_options(self.page.terms(self.page.section("OPTIONS"))), there)


class EnvironmentVariables(unittest.TestCase):
    def test_ours(self):
        there = set()
        for folder in ("common", "core", "service", "client"):
            for text in sources(folder).values():
                there |= set(re.findall(r'"(AGENTCTL_LOCKS_[A-Z_]+)"', text))
        # For tests alone: an older kernel's ways on a newer one.
        there = {name for name in there if not name.startswith("AGENTCTL_LOCKS_DISABLE_")}
        said = set()
        for name in ("agentctl-locks.1", "agentctl-locksd.8"):
            page = Page(name)
            said |= {term for term in sum(page.terms(page.section("ENVIRONMENT")), []) if term.startswith("AGENTCTL")}
        self.assertEqual(said, there)


class Configuration(harness.Case):
    autostart = False
    bus = False
    arguments = ("--no-bus",)
    page = property(lambda self: Page("agentctl-locks.conf.5"))

    def keys(self):
        return [term[0].removesuffix("=") for term in self.page.terms(self.page.section("OPTIONS"))]

    def test_keys_of_the_source(self):
        there = re.findall(r'g_str_equal \(key, "(\w+)"\)', source("src", "service", "settings.c"))
        self.assertGreater(len(there), 3)
        self.assertEqual(self.keys(), there)

    def test_keys_and_defaults_of_the_shipped_file(self):
        shipped = dict(re.findall(r"^#(\w+)=(\S+)$", source("data", "agentctl-locks.conf"), re.M))
        self.assertEqual(self.keys(), list(shipped))
        for key, value in shipped.items():
            text = " ".join(self.page.definition(self.page.section("OPTIONS"), key + "=").split())
            self.assertIn(f"Default: {value}.", text)

    def test_each_key_is_read(self):
        for key in self.keys():
            with self.subTest(key):
                with open(f"{self.service.root}/config", "w", encoding="utf-8") as file:
                    file.write(f"[Locks]\n{key}=nonsense\n")
                process = self.service.launch()
                harness.until(lambda process=process: process.poll() is not None, "an end")
                self.assertEqual(process.returncode, 1)
                self.assertIn(key, self.service.log())


class Catalogue(unittest.TestCase):
    page = property(lambda self: Page("agentctl-locks.agents.5"))

    def test_keys(self):
        table = re.search(r"keys\[N_RULE_KINDS\] = \{(.*?)\}", source("src", "core", "agent-entry.c"), re.S)[1]
        there = ["Name", *re.findall(r'"(\w+)"', table)]
        said = [term[0].removesuffix("=") for term in self.page.terms(self.page.section("OPTIONS"))]
        self.assertEqual(said, there)

    def test_the_example_is_one(self):
        """The shipped files know the same keys as the example does, and no others."""
        said = {term[0] for term in self.page.terms(self.page.section("OPTIONS"))}
        block = self.page.section("EXAMPLES").next_node(docutils.nodes.literal_block).astext()
        self.assertLessEqual(set(re.findall(r"^\w+=", block, re.M)), said)
        for name in os.listdir(os.path.join(harness.SOURCE, "data", "agents.d")):
            self.assertLessEqual(set(re.findall(r"^\w+=", source("data", "agents.d", name), re.M)), said, name)


class Interface(harness.Case):
    bus = False
    arguments = ("--no-bus",)
    door = "direct"
    page = property(lambda self: Page("org.agentctl.Locks.5"))

    def introspected(self):
        """What the running service says of itself."""
        text = self.me.raw("org.freedesktop.DBus.Introspectable", "Introspect", None)[0]
        node = xml.etree.ElementTree.fromstring(text)
        return next(child for child in node.iter("interface") if child.get("name") == harness.NAME)

    def keys(self, method):
        """{key: type} as the page has them."""
        section = self.page.section("METHODS", method)
        found = {}
        for term in section.findall(docutils.nodes.term):
            match = re.fullmatch(r"(.*) \((\w+)\)", term.astext())
            if match is not None:
                found.update({key: match[2] for key in match[1].split(", ")})
        return found

    @staticmethod
    def spec(file, table):
        text = re.search(rf"AglOptionSpec {table}\[\] = \{{(.*?)\n\}};", source("src", "service", file), re.S)[1]
        return dict(re.findall(r'\{ "([\w-]+)", "(\w+)" \}', text))

    def test_members(self):
        interface = self.introspected()
        for element, title in (("method", "METHODS"), ("signal", "SIGNALS"), ("property", "PROPERTIES")):
            there = [member.get("name") for member in interface.iter(element)]
            self.assertGreater(len(there), 2)
            self.assertEqual(self.page.subsections(title), there)

    def test_arguments(self):
        interface = self.introspected()
        for element, title in (("method", "METHODS"), ("signal", "SIGNALS")):
            for member in interface.iter(element):
                with self.subTest(member.get("name")):
                    line = self.page.section(title, member.get("name")).next_node(docutils.nodes.paragraph).astext()
                    there = [f"{arg.get('type')} {arg.get('name')}" for arg in member.iter("arg")]
                    self.assertEqual(re.findall(r"[a-z{}]+ [a-z]+", line), there)

    def test_option_keys(self):
        tables = {}
        for name, text in sources("service").items():
            for table in re.findall(r"AglOptionSpec (\w+)\[\] =", text):
                tables[(name, table)] = self.spec(name, table)
        methods = {method: self.keys(method) for method in self.page.subsections("METHODS")}
        # Each table is some method's, each method with options has one, key by key and type by type.
        said = [keys for keys in methods.values() if keys]
        self.assertEqual(len(tables), len(said))
        for where, keys in tables.items():
            self.assertIn(keys, said, where)

    def test_option_keys_are_what_the_service_takes(self):
        """A key that it knows is not said to be unknown, even with a value of a wrong type."""
        wrong = harness.GLib.Variant("d", 0.5)
        calls = {"Acquire": lambda given: self.me.call("Acquire", "/", given),
                 "Release": lambda given: self.me.call("Release", "/", given),
                 "List": lambda given: self.me.call("List", given),
                 "Transfer": lambda given: self.me.call("Transfer", 1, given)}
        takes_options = [method for method in self.page.subsections("METHODS") if self.keys(method)]
        self.assertEqual(sorted(calls), sorted(takes_options))
        candidates = set().union(*(self.keys(method) for method in calls)) | {"nonsense"}
        for method, call in calls.items():
            with self.subTest(method):
                known = set()
                for key in candidates:
                    refused = self.refused("InvalidOption", call, {key: wrong})
                    if not refused.message.endswith(f"There is no option '{key}'"):
                        known.add(key)
                self.assertEqual(known, set(self.keys(method)))

    def test_errors(self):
        there = re.findall(r'AGL_ERROR_PREFIX "(\w+)"', source("src", "common", "error.c"))
        self.assertGreater(len(there), 10)
        said = sum(self.page.terms(self.page.section("ERRORS")), [])
        self.assertEqual(sorted(said), sorted(there))
        for method in self.page.subsections("METHODS"):
            for node in self.page.section("METHODS", method).findall(docutils.nodes.paragraph):
                if node.astext().startswith("Errors: "):
                    named = re.findall(r"[A-Z]\w+", node.astext().removeprefix("Errors: "))
                    self.assertLessEqual(set(named), set(said), method)

    def test_release_reasons_and_counters(self):
        there = self.me.counters()
        reasons = [name.removeprefix("released-") for name in there if name.startswith("released-")]
        section = self.page.section("SIGNALS", "LockReleased")
        said = sum(self.page.terms(section), [])
        self.assertEqual(sorted(said), sorted(reasons))
        counters = sum(self.page.terms(self.page.section("PROPERTIES", "Counters")), [])
        self.assertEqual(sorted(counters), sorted({"released-REASON" if name.startswith("released-") else name
                                                   for name in there}))

    def test_keys_of_a_lock(self):
        there = set(re.findall(r'\[KEY_\w+\] = "([\w-]+)"', source("src", "service", "lock-facts.c")))
        there.remove("lock")  # an occupant's
        said = sum(self.page.terms(self.page.section("A LOCK")), [])
        self.assertEqual(sorted(said), sorted(there))
        lock = self.me.lock(self.me.acquire(self.directory(), manual=True, ttl=60, agent="a", session="s", reason="r"))
        self.assertLessEqual(set(lock), set(said))
        self.assertGreater(len(lock), 15)


class Agentctl(unittest.TestCase):
    """docs/agentctl.md, and the program that is the same."""

    def rows(self):
        table = source("docs", "agentctl.md").split("## Call by call")[1].split("| --- | --- |")[1].split("\n\n")[0]
        return [row.split(" | ") for row in table.strip().splitlines()]

    def test_each_call_is_mapped_and_implemented(self):
        said = {match[1] for row in self.rows() for match in [re.match(r"\| `(\w+)(?:\(.*\))?`$", row[0])] if match}
        methods = set(re.findall(r"^  async (\w+)\(", source("tests", "interop", "agentctl.js"), re.M))
        self.assertEqual(said, methods - {"list", "release"})
        tried = set(re.findall(r"manager\.(\w+)\(", source("tests", "interop", "agentctl_test.js")))
        self.assertLessEqual(said, tried)
        self.assertIn("`launch --force`", " ".join(row[0] for row in self.rows()))

    def test_what_it_names_is_there(self):
        text = " ".join(row[1] for row in self.rows())
        xml_text = source("data", "org.agentctl.Locks.xml")
        for method in re.findall(r"`([A-Z]\w+)\(", text):
            self.assertIn(f'<method name="{method}">', xml_text)
        keys = {part.split(":")[0] for options in re.findall(r"\{(.*?)\}", text) for part in options.split(", ")} - {""}
        self.assertGreater(len(keys), 5)
        known = {key for line in re.findall(r"^ *- ([a-z, -]+) \(\w\)", xml_text, re.M) for key in line.split(", ")}
        self.assertLessEqual(keys, known | {"by", "type=\"auto\"\\|\"manual\""})


class Why(unittest.TestCase):
    def test_each_test_that_it_names_is_there(self):
        found = 0
        text = source("docs", "why.md")
        for cell in re.findall(r"`\w+\.py`(?:: (?:`test_\w+`(?:, )?)+)?", text):
            file, *names = re.findall(r"`(\w+(?:\.py)?)`", cell)
            there = source("tests", "integration", file)
            for name in names:
                found += 1
                self.assertIn(f"def {name}(self", there, file)
        self.assertEqual(found, len(re.findall(r"`test_\w+`", text)))
        self.assertGreater(found, 15)


class Rendered(unittest.TestCase):
    def test_each_page_is_troff_with_a_name_line(self):
        """What whatis(1) and the reader's first line show."""
        for name in NAMES:
            with self.subTest(name):
                with open(os.path.join(PAGES, name), encoding="utf-8") as file:
                    text = file.read()
                title, section = name.rsplit(".", 1)
                self.assertRegex(text, rf'\.TH "?{re.escape(title.upper())}"? "?{section}"?')
                self.assertRegex(text, rf"\.SH NAME\n{re.escape(title).replace('-', '.?-')} \\- \w+")

    def test_each_page_is_linked_from_others(self):
        """SEE ALSO names the other pages, and none of ours that is not there."""
        known = {re.sub(r"\.(\d)$", r"(\1)", name) for name in NAMES}
        for name in NAMES:
            with self.subTest(name):
                text = Page(name).section("SEE ALSO").astext()
                ours = {word for word in re.findall(r"[\w.-]+\(\w+\)", text) if "agentctl" in word}
                self.assertLessEqual(ours, known)
                self.assertGreater(len(ours), 1)


if __name__ == "__main__":
    harness.main()
