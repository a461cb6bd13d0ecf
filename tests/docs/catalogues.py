# SPDX-License-Identifier: MIT
"""Which files have text for people, and that the catalogues say all of it.

The service's words are English on the wire and in the log; agentctl-locks speaks the user's language.
"""
import ast
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402

PO = os.path.join(harness.SOURCE, "po")
# As xgettext is called by meson's "glib" preset.
KEYWORDS = ["_", "N_", "C_:1c,2", "NC_:1c,2", "g_dcgettext:2", "g_dngettext:2,3", "g_dpgettext2:2c,3", "ngettext:1,2"]
MARK = re.compile(r"\b(?:_|N_|C_|NC_|ngettext|g_dngettext|g_dpgettext2) ?\(")


def lines(name):
    with open(os.path.join(PO, name), encoding="utf-8") as file:
        return " ".join(line.partition("#")[0] for line in file).split()


def read(path):
    with open(os.path.join(harness.SOURCE, path), encoding="utf-8") as file:
        return file.read()


def c_files(*folders):
    return sorted(os.path.join("src", folder, name) for folder in folders
                  for name in os.listdir(os.path.join(harness.SOURCE, "src", folder)) if name.endswith((".c", ".h")))


def files_below(*folders):
    """Paths from the top of the source on."""
    return sorted(os.path.relpath(os.path.join(folder, name), harness.SOURCE) for top in folders
                  for folder, _, names in os.walk(os.path.join(harness.SOURCE, top)) for name in names)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def extract(*names):
    """What xgettext finds in these files, as a template."""
    # po/its says which parts of a policy are text, in xgettext's own way of looking for such rules.
    return subprocess.run(["xgettext", "--from-code=UTF-8", "--add-comments=Translators", "--output=-",
                           "--directory", harness.SOURCE, *(f"--keyword={word}" for word in KEYWORDS),
                           "--flag=g_strdup_printf:1:c-format", "--flag=g_print:1:c-format",
                           "--flag=g_printerr:1:c-format", "--flag=g_set_error:4:c-format", *names],
                          check=True, stdout=subprocess.PIPE, encoding="utf-8", stdin=subprocess.DEVNULL,
                          env={**os.environ, "GETTEXTDATADIRS": PO}).stdout


class Message:
    """One entry of a catalogue or template."""

    def __init__(self, block):
        self.comments = " ".join(re.findall(r"^#\. (.*)", block, re.M))
        self.flags = re.findall(r"[\w-]+", " ".join(re.findall(r"^#, (.*)", block, re.M)))
        self.places = " ".join(re.findall(r"^#: (.*)", block, re.M))
        self.is_obsolete = re.search(r"^#~", block, re.M) is not None
        fields = {}
        for line in block.splitlines():
            match = re.match(r'(msg\w+(?:\[\d\])?) (".*")$', line)
            if match:
                name, line = match[1], match[2]
                fields[name] = ""
            if line.startswith('"'):
                fields[name] += ast.literal_eval(line)
        self.context, self.id, self.plural = (fields.get(key) for key in ("msgctxt", "msgid", "msgid_plural"))
        self.texts = [fields[key] for key in sorted(fields) if key.startswith("msgstr")]


def messages(text):
    return [Message(block) for block in text.split("\n\n") if "msgid" in block]


def directives(text):
    """The values that a text is filled with, in the order in which the program gives them."""
    found = re.findall(r"%(?:(\d+)\$)?[-0-9.*]*([a-z])", text.replace("%%", ""))
    return sorted((int(number) if number else place, kind) for place, (number, kind) in enumerate(found, 1))


class Sources(unittest.TestCase):
    def test_every_marked_file_is_in_potfiles_and_no_other(self):
        listed = lines("POTFILES")
        self.assertEqual(sorted(listed), sorted(set(listed)))
        marked = {name for name in files_below("src") if name.endswith((".c", ".h"))
                  and MARK.search(without_comments(read(name)))}
        self.assertGreater(len(marked), 10)
        self.assertEqual({name for name in listed if name.endswith((".c", ".h"))}, marked)

    def test_what_is_marked_in_other_ways(self):
        """What polkit and the desktop show: whole files of it."""
        listed = {name for name in lines("POTFILES") if not name.endswith((".c", ".h"))}
        shown = {name for name in files_below("data", "src")
                 if re.search(r"\.(policy|desktop|metainfo\.xml|appdata\.xml|gschema\.xml|ui|blp)(\.in)*$", name)}
        self.assertIn("data/org.agentctl.locks.policy.in", shown)
        self.assertEqual(listed, shown)
        self.assertEqual({message.id for message in messages(extract("data/org.agentctl.locks.policy.in"))} - {""},
                         set(re.findall(r"<(?:description|message)>(.*)</", read("data/org.agentctl.locks.policy.in"))))

    def test_the_service_is_not_translated(self):
        for name in c_files("common", "core", "service"):
            with self.subTest(name):
                text = without_comments(read(name))
                self.assertNotRegex(text, r"gi18n|\bgettext\b|textdomain")
                self.assertIsNone(MARK.search(text))

    def test_what_a_number_is_translators_are_told(self):
        """Two values or more in a text: which is which, a comment says."""
        several = [message for message in messages(extract(*lines("POTFILES"))) if len(directives(message.id)) > 1]
        self.assertGreater(len(several), 30)
        self.assertEqual([f"{message.places}: {message.id}" for message in several
                          if "Translators:" not in message.comments], [])

    def test_nobody_counts_to_one_alone(self):
        """A number with a noun has plural forms."""
        found = messages(extract(*lines("POTFILES")))
        self.assertGreater(sum(message.plural is not None for message in found), 5)
        self.assertEqual([message.id for message in found if message.plural is None
                          and re.search(r"%[ud] (locks|processes|others|agents|seconds|bytes|requests|files)\b", message.id)],
                         [])

    def test_no_sentence_is_glued(self):
        """A text neither begins nor ends in the middle: what is put there, in another language stands elsewhere."""
        self.assertEqual([message.id for message in messages(extract(*lines("POTFILES")))
                          if message.context != "list" and re.search(r"^\s*[,;.)]|,\s*$|\S +$", message.id)], [])


class Catalogues(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = messages(extract(*lines("POTFILES")))[1:]

    def each(self):
        """(a language, its messages but the header)"""
        self.assertGreater(len(lines("LINGUAS")), 3)
        for lingua in lines("LINGUAS"):
            with self.subTest(lingua):
                yield lingua, messages(read(f"po/{lingua}.po"))[1:]

    def test_every_catalogue_is_listed(self):
        there = {name.removesuffix(".po") for name in os.listdir(PO) if name.endswith(".po")}
        self.assertEqual(set(lines("LINGUAS")), there)
        self.assertLessEqual({"de", "fr", "ja", "zh_CN"}, there)

    def test_gettext_takes_it(self):
        for lingua, _ in self.each():
            subprocess.run(["msgfmt", "--check", "-o", "/dev/null", os.path.join(PO, f"{lingua}.po")], check=True)

    def test_it_has_every_text_and_no_other(self):
        """Of the source as it is now: a new text fails this until it is translated."""
        self.assertGreater(len(self.template), 200)
        for lingua, found in self.each():
            update = "; meson compile -C build agentctl-locks-update-po"
            self.assertEqual([message.id for message in found if message.is_obsolete], [], lingua + update)
            self.assertEqual({(message.context, message.id, message.plural) for message in found},
                             {(message.context, message.id, message.plural) for message in self.template},
                             lingua + update)

    def test_nothing_is_empty_or_fuzzy(self):
        for lingua, found in self.each():
            self.assertEqual([message.id for message in found if "fuzzy" in message.flags], [], lingua)
            self.assertEqual([message.id for message in found if "" in message.texts], [], lingua)

    def test_header(self):
        for lingua, found in self.each():
            header = messages(read(f"po/{lingua}.po"))[0].texts[0]
            self.assertIn(f"\nLanguage: {lingua}\n", header)
            self.assertIn("charset=UTF-8\n", header)
            forms = int(re.search(r"^Plural-Forms: nplurals=(\d); plural=.*;$", header, re.M)[1])
            self.assertEqual({len(message.texts) for message in found if message.plural is not None}, {forms})
            self.assertEqual({len(message.texts) for message in found if message.plural is None}, {1})

    def wrong(self, what):
        """Where what() is not the same of the text and of its translation."""
        for _, found in self.each():
            pairs = [(message.id, text) for message in found for text in message.texts]
            self.assertEqual([f"{what(text)!r} for {what(source)!r} in {text!r}" for source, text in pairs
                              if what(text) != what(source)], [])

    def test_the_same_values(self):
        self.wrong(directives)

    def test_the_same_options_and_numbers(self):
        """A page of help that loses an option or an exit status misleads."""
        self.wrong(lambda text: sorted(set(re.findall(r"--[a-z][a-z-]*", text))))
        self.wrong(lambda text: sorted(re.findall(r"\d+", re.sub(r"%\d+\$", "%", text))))

    def test_the_same_edges(self):
        self.wrong(lambda text: (re.match(r"\s*", text)[0], text.endswith("\n")))
        for _, found in self.each():
            self.assertEqual([text for message in found for text in message.texts
                              if message.context != "list" and re.search(r"[ \t]+$", text, re.M)], [])

    def test_the_same_final_punctuation(self):
        """A full stop is a full stop, a colon a colon, in the shape that the language gives them."""
        ends = {"。": ".", "：": ":", "，": ",", "、": ","}

        def end(text):
            last = text.rstrip()[-1:]
            last = ends.get(last, last)
            return last if last in (".", ":", "…") else ""
        self.wrong(lambda text: end(text) if not re.search(r"(Min|Sek|Std|Tg|ATT)\.$", text) else "")
        self.wrong(lambda text: ("..." in text, text.count("…")))


if __name__ == "__main__":
    harness.main()
