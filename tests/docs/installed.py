# SPDX-License-Identifier: MIT
"""What "meson install" puts where, file by file, into a DESTDIR."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402


def introspect(what):
    return json.loads(subprocess.run(["meson", "introspect", f"--{what}", harness.BUILD], check=True,
                                     stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout)


def linguas():
    with open(os.path.join(harness.SOURCE, "po", "LINGUAS"), encoding="utf-8") as file:
        return " ".join(line.partition("#")[0] for line in file).split()


def expected():
    options = {option["name"]: option["value"] for option in introspect("buildoptions")}
    # "auto" is there with rst2man alone, and what the pages are made with the tests need: so it is there.
    given = {"systemd": options["systemd"], "polkit": options["polkit"] != "disabled", "man": options["man"] != "disabled",
             "linguas": True, "applet": os.path.exists(os.path.join(harness.BUILD, "src", "applet", "agentctl-locks-applet"))}
    given["appletman"] = given["applet"] and given["man"]
    paths = []
    with open(os.path.join(harness.BUILD, "tests", "docs", "installed-files.txt"), encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[0] == "#" or (len(words) > 1 and not given[words[0]]):
                continue
            paths += [words[-1].replace("LINGUA", lingua) for lingua in linguas()] if "LINGUA" in line else [words[-1]]
    return sorted(paths)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="agl-install-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        subprocess.run(["meson", "install", "-C", harness.BUILD, "--no-rebuild", "--quiet", "--destdir", cls.root],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # Installed tests are another matter (-Dinstalled_tests=true), below folders of their own.
        cls.files = sorted(os.path.join(folder, name).removeprefix(cls.root)
                           for folder, _, names in os.walk(cls.root) if "/installed-tests/" not in folder
                           for name in names)

    def test_every_file_and_no_other(self):
        self.assertGreater(len(self.files), 20)
        self.assertEqual(self.files, expected())

    def test_programs_run_and_the_rest_does_not(self):
        for path in self.files:
            mode = stat.S_IMODE(os.lstat(self.root + path).st_mode)
            program = os.path.basename(path) in ("agentctl-locks", "agentctl-locks-applet", "agentctl-locksd") and "completion" not in path
            self.assertEqual(oct(mode), oct(0o755 if program else 0o644), path)

    def test_nothing_is_left_to_be_filled_in(self):
        """No @name@ of a template, no path of this machine's folders."""
        for path in self.files:
            with open(self.root + path, "rb") as file:
                data = file.read()
            if data.startswith(b"\x7fELF"):
                continue
            self.assertNotRegex(data, rb"@[a-z_]+@", path)
            self.assertNotIn(self.root.encode(), data, path)
            self.assertNotIn(harness.BUILD.encode(), data, path)

    def test_polkit_asks_in_each_language(self):
        """The policy has the translations in it; none is left for polkit to look for."""
        path = next(path for path in self.files if path.endswith("/org.agentctl.locks.policy"))
        with open(self.root + path, encoding="utf-8") as file:
            text = file.read()
        for element in ("description", "message"):
            self.assertEqual(sorted(re.findall(rf'<{element} xml:lang="(\w+)">\w', text)), sorted(linguas()))
        self.assertNotIn("gettext-domain", text)

    def test_what_refers_to_the_daemon_finds_it(self):
        daemon = next(path for path in self.files if path.endswith("/agentctl-locksd"))
        names = [path for path in self.files if path.endswith(".service") and "/system-services/" not in path
                 and "Applet" not in path]
        self.assertGreater(len(names), 0)
        for path in names:
            with open(self.root + path, encoding="utf-8") as file:
                self.assertRegex(file.read(), rf"(?m)^Exec(Start)?={daemon} --(user|system)$", path)

    def test_what_refers_to_the_applet_finds_it(self):
        for path in [path for path in self.files if path.endswith("Applet.service")]:
            with open(self.root + path, encoding="utf-8") as file:
                program = re.search(r"(?m)^Exec=(\S+) --gapplication-service$", file.read())[1]
            self.assertIn(program, self.files)

    def test_every_manual_page_that_a_unit_names_is_there(self):
        pages = {os.path.basename(path) for path in self.files if "/man/" in path}
        for path in self.files:
            if path.endswith("/agentctl-locks.service"):
                with open(self.root + path, encoding="utf-8") as file:
                    words = next(line for line in file if line.startswith("Documentation=")).split("=")[1].split()
                for word in words:
                    name = word.removeprefix("man:").rstrip(")").replace("(", ".")
                    self.assertIn(name, pages, path)


if __name__ == "__main__":
    harness.main()
