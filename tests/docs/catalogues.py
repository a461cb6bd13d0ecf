# SPDX-License-Identifier: MIT
"""Which files have text for people, and that the catalogues say all of it.

The service's words are English on the wire and in the log; agentctl-locks speaks the user's language.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402

PO = os.path.join(harness.SOURCE, "po")
# As xgettext is called by meson's "glib" preset.
KEYWORDS = ["_", "N_", "C_:1c,2", "NC_:1c,2", "g_dcgettext:2", "g_dngettext:2,3", "g_dpgettext2:2c,3", "ngettext:1,2"]
MARK = re.compile(r"\b(?:_|N_|C_|NC_|ngettext|g_dngettext|g_dpgettext2) \(")


def lines(name):
    with open(os.path.join(PO, name), encoding="utf-8") as file:
        return " ".join(line.partition("#")[0] for line in file).split()


def read(path):
    with open(os.path.join(harness.SOURCE, path), encoding="utf-8") as file:
        return file.read()


def c_files(*folders):
    return sorted(os.path.join("src", folder, name) for folder in folders
                  for name in os.listdir(os.path.join(harness.SOURCE, "src", folder)) if name.endswith((".c", ".h")))


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def entries(*arguments):
    """(comments, flags, msgid) of what xgettext finds in the files of POTFILES."""
    text = subprocess.run(["xgettext", "--from-code=UTF-8", "--add-comments=Translators", "--output=-", "--no-wrap",
                           "--directory", harness.SOURCE, *(f"--keyword={word}" for word in KEYWORDS),
                           "--flag=g_strdup_printf:1:c-format", "--flag=g_print:1:c-format",
                           "--flag=g_printerr:1:c-format", "--flag=g_set_error:4:c-format", *arguments,
                           *[name for name in lines("POTFILES") if name.endswith(".c")]],
                          check=True, stdout=subprocess.PIPE, encoding="utf-8", stdin=subprocess.DEVNULL).stdout
    for block in text.split("\n\n")[1:]:
        comments = " ".join(re.findall(r"^#\. (.*)", block, re.M))
        flags = " ".join(re.findall(r"^#, (.*)", block, re.M))
        places = " ".join(re.findall(r"^#: (.*)", block, re.M))
        msgid = "".join(re.findall(r'"(.*)"', re.search(r"msgid (.*?)^msg", block, re.M | re.S)[1]))
        yield comments, flags, places, msgid


class Sources(unittest.TestCase):
    def test_every_marked_file_is_in_potfiles_and_no_other(self):
        marked = {name for name in c_files("client", "common", "core", "service")
                  if MARK.search(without_comments(read(name)))}
        listed = lines("POTFILES")
        self.assertGreater(len(marked), 10)
        self.assertEqual(sorted(listed), sorted(set(listed)))
        # What polkit and the desktop show is marked in other ways.
        self.assertEqual({name for name in listed if name.endswith((".c", ".h"))}, marked)

    def test_the_service_is_not_translated(self):
        for name in c_files("common", "core", "service"):
            with self.subTest(name):
                text = without_comments(read(name))
                self.assertNotRegex(text, r"gi18n|\bgettext\b|textdomain")
                self.assertIsNone(MARK.search(text))

    def test_what_a_number_is_translators_are_told(self):
        """Two values or more in a text: which is which, a comment says."""
        found, silent = 0, []
        for comments, _, places, msgid in entries():
            values = re.findall(r"%(?:\d\$)?[-0-9.*]*(?:[sduc]|\" )", msgid.replace("%%", ""))
            if len(values) > 1:
                found += 1
                if "Translators:" not in comments:
                    silent.append(f"{places}: {msgid}")
        self.assertEqual(silent, [])
        self.assertGreater(found, 3)


class Catalogues(unittest.TestCase):
    def check(self, lingua, template, folder):
        path = os.path.join(PO, f"{lingua}.po")
        subprocess.run(["msgfmt", "--check", "--check-accelerators", "-o", "/dev/null", path], check=True)
        merged = os.path.join(folder, f"{lingua}.po")
        subprocess.run(["msgmerge", "--quiet", "--no-fuzzy-matching", "-o", merged, path, template], check=True)
        counted = subprocess.run(["msgfmt", "--statistics", "-o", "/dev/null", merged], check=True,
                                 stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ, "LC_ALL": "C"}).stderr
        self.assertRegex(counted, r"^\d+ translated messages\.$", lingua)

    def test_complete_and_right(self):
        with tempfile.TemporaryDirectory() as folder:
            template = os.path.join(folder, "agentctl-locks.pot")
            subprocess.run(["xgettext", "--from-code=UTF-8", "-o", template, "--directory", harness.SOURCE,
                            *(f"--keyword={word}" for word in KEYWORDS), *lines("POTFILES")], check=True,
                           stdin=subprocess.DEVNULL)
            self.assertGreater(os.path.getsize(template), 10000)
            for lingua in lines("LINGUAS"):
                with self.subTest(lingua):
                    self.check(lingua, template, folder)

    def test_every_catalogue_is_listed(self):
        there = {name.removesuffix(".po") for name in os.listdir(PO) if name.endswith(".po")}
        self.assertEqual(set(lines("LINGUAS")), there)


if __name__ == "__main__":
    harness.main()
