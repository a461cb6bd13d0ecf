# SPDX-License-Identifier: MIT
"""What the applet looks like to those who see, and what it says to those who do not."""
import json
import os
import shutil
import subprocess

import harness
from applet import AppletCase
from gi.repository import GLib
from harness import until

BUS_LAUNCHER = next((path for path in ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi-bus-launcher",
                                       "/usr/lib/at-spi2-core/at-spi-bus-launcher") if os.path.exists(path)), "")


class Reader(AppletCase):
    """What a screen reader is told, over a real accessibility bus."""

    def setUp(self):
        super().setUp()
        with open(f"{self.service.root}/services/org.a11y.Bus.service", "w", encoding="utf-8") as file:
            file.write(f"[D-BUS Service]\nName=org.a11y.Bus\nExec={BUS_LAUNCHER}\n")

    def start_reader(self):
        return self.start_applet(environment={"GTK_A11Y": "atspi"})

    def read(self, applet, *what):
        reader = os.path.join(os.path.dirname(os.path.abspath(__file__)), "applet_reader.py")
        done = subprocess.run(["/usr/bin/python3", "-W", "ignore", reader, *(what or ["tree"])], env=applet.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=harness.LIMIT, check=True)
        return json.loads(done.stdout)

    def objects(self, applet):
        def walk(one):
            yield one
            for child in one["children"]:
                yield from walk(child)
        tree = self.read(applet)
        return [] if tree is None else list(walk(tree))

    def assert_named(self, objects):
        """Whatever the focus can come to says what it is, in words and not in the names of classes."""
        for one in objects:
            # The unnamed ones hold others: also a list and its items, libadwaita's, around the fields of a dialog.
            if one["focusable"] and one["role"] in ("push button", "toggle button", "text", "combo box", "entry"):
                self.assertNotRegex(one["name"], "^(|Gtk.*|Adw.*|Agl.*)$", one["role"])

    def test_everything_has_a_name(self):
        agent, lock = self.holder(self.directory(), agent="claude", reason="the parser")
        applet = self.start_reader()
        applet.wait_ids([lock])
        objects = until(lambda: self.objects(applet), "the applet on the accessibility bus")
        self.assert_named(objects)
        named = {(one["role"], one["name"]) for one in objects}
        place = self.directory()
        self.assertIn(("list", "Locks"), named)
        self.assertIn(("push button", f"Actions for {place}"), named)
        line = next(one["name"] for one in objects if one["role"] == "list item")
        for word in (place, "claude", str(agent.pid), "the parser", "Exclusive"):
            self.assertIn(word, line)

    def test_preferences_have_names(self):
        applet = self.start_reader()
        applet.wait_page("empty")
        applet.activate("app.watch", GLib.Variant("(sb)", ("/w/a", True)))
        applet.activate("app.preferences")
        applet.wait_state(lambda state: "Notifications" in state["dialog"], "the preferences")
        objects = until(lambda: self.objects(applet), "the applet on the accessibility bus")
        # But libadwaita's own field of a search that is switched off.
        self.assert_named([one for one in objects if one["name"] != "GtkSearchEntry"])
        named = {one["name"] for one in objects if one["role"] in ("switch", "toggle button", "check box")}
        self.assertLessEqual({"A Lock Has Ended", "A Lock Was Taken Away", "An Agent Has Left Its Directory",
                              "A Wait Is Over", "Watch Every Directory", "Group by Repository", "Run in the Background",
                              "Start at Login"}, named)
        self.assertIn(("push button", "Stop watching /w/a"), {(one["role"], one["name"]) for one in objects})

    def test_claiming_by_its_means(self):
        """A press of the button as a reader would press it opens the dialog, and everything in it has a name."""
        applet = self.start_reader()
        applet.wait_page("empty")
        until(lambda: self.objects(applet), "the applet on the accessibility bus")
        self.assertTrue(self.read(applet, "press", "push button", "Claim a Directory"))
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        objects = self.objects(applet)
        self.assert_named(objects)
        named = {(one["role"], one["name"]) for one in objects}
        self.assertIn(("push button", "Claim"), named)
        applet.type("Directory", self.directory("mine"))
        self.assertTrue(self.read(applet, "press", "push button", "Claim"))
        self.me.wait_signal("LockAcquired")


class Pictures(AppletCase):
    """A picture of each state and layout, in tests/applet-pictures of the build folder, for people to look at. Here
    it is only seen that each is one."""

    config = {"CwdGraceSec": 3600}

    def take(self, applet, name):
        applet.idle()
        with open(applet.picture(name), "rb") as file:
            data = file.read()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")

    def at_work(self, agent, directory, **given):
        """A holder whose program is called like its agent."""
        program = f"{self.service.root}/bin/{agent}"
        os.makedirs(os.path.dirname(program), exist_ok=True)
        shutil.copy(os.path.join(harness.BUILD, "tests", "integration", "test-agent"), program)
        worker = self.agent(directory, program=program)
        return worker, worker.acquire(directory, agent=agent, **given)

    def scene(self):
        """Every kind of row; the person's home is a folder of the test, for the sake of the pictures."""
        self.service.environment["HOME"] = self.directory("home")
        self.repository("home/src/webshop", "login", "fix-parser")
        self.at_work("claude", self.directory("home/src/webshop-login"), reason="the login page")
        place = self.directory("home/src/website")
        self.at_work("codex", place)
        for _ in range(2):
            self.agent(place).begin_acquire(place, conflict="wait")
        strayed, lock = self.at_work("opencode", self.directory("home/src/webshop-fix-parser"), subtree=True)
        self.me.wait_signal("LockAcquired", lock)
        strayed.chdir("/")
        self.at_work("gemini", self.directory("home/experiments/a-name-that-is-too-long-for-any-row/of-this-window/however/"
                                              "wide-it-is"), shared=True, reason="reads only")
        self.claim("home/notes", ttl=7200, reason="reviewing by hand")
        self.me.wait_signal("LockChanged", lock, lambda told: told.changed.get("cwd") == "outside")
        self.me.wait_signal("LockChanged", where=lambda told: told.changed.get("waiters") == 2)
        return lock

    def wait_scene(self, applet):
        applet.wait_state(lambda state: len(state["rows"]) == 5 and "webshop" in state["texts"]
                          and any(row["warning"] for row in state["rows"]), "five rows in a group and alone")

    def test_light(self):
        lock = self.scene()
        applet = self.start_applet()
        self.wait_scene(applet)
        self.take(applet, "rows")
        applet.on_lock("win.release", lock)
        applet.wait_row(lock, lambda row: row["trouble"], "an error")
        self.take(applet, "rows-error")
        applet.on_lock("app.test-menu", lock)
        self.take(applet, "rows-menu")
        applet.on_lock("app.test-menu", 0)
        applet.on_lock("win.force-release", lock)
        applet.wait_state(lambda state: state["dialog"], "a question")
        self.take(applet, "force-dialog")
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "no question")
        applet.activate("win.claim")
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        self.take(applet, "claim-dialog")
        applet.type("Directory", self.directory("home/src/website"))
        applet.type("Reason", "a quick look")
        applet.press("Claim")
        applet.wait_state(lambda state: any("codex" in text for text in state["dialog"]), "an error")
        self.take(applet, "claim-dialog-error")
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "no dialog")
        applet.activate("win.show-help-overlay")
        applet.wait_state(lambda state: state["dialog"], "the shortcuts")
        self.take(applet, "shortcuts")

    def test_layouts(self):
        self.scene()
        for name, environment in (("dark", {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"}),
                                  ("high-contrast", {"ADW_DEBUG_HIGH_CONTRAST": "1"}),
                                  ("dark-high-contrast", {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark",
                                                          "ADW_DEBUG_HIGH_CONTRAST": "1"})):
            applet = self.start_applet(environment=environment)
            self.wait_scene(applet)
            self.take(applet, name)
            self.assertEqual(applet.end(), 0)
        applet = self.start_applet()
        self.wait_scene(applet)
        applet.activate("app.test-direction", GLib.Variant("b", True))
        self.take(applet, "right-to-left")
        applet.resize(360, 640)
        self.take(applet, "right-to-left-narrow")
        self.assertEqual(applet.end(), 0)
        applet = self.start_applet()
        self.wait_scene(applet)
        applet.resize(360, 640)
        # As narrow as it was told to be: nothing in it needs more.
        self.assertLessEqual(self.take(applet, "narrow")[0], 360)
        applet.activate("win.claim")
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        self.assertLessEqual(self.take(applet, "narrow-claim-dialog")[0], 360)

    def test_nothing(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        self.take(applet, "empty")
        applet.resize(360, 560)
        self.assertLessEqual(self.take(applet, "empty-narrow")[0], 360)

    def test_away(self):
        self.scene()
        applet = self.start_applet()
        self.wait_scene(applet)
        self.service.stop()
        applet.wait_state(lambda state: state["banner"] != "", "a banner")
        self.take(applet, "away")
        applet.resize(360, 560)
        self.assertLessEqual(self.take(applet, "away-narrow")[0], 360)
        applet.end()
        applet = self.start_applet()
        applet.wait_page("away")
        self.take(applet, "away-from-the-start")


if __name__ == "__main__":
    harness.main()
