# SPDX-License-Identifier: MIT
"""agentctl-locks-applet: the real one, against a real service, on a screen without a monitor."""
import json
import os
import signal
import stat
import subprocess

import harness
from applet_desktop import Tray
from applet_screen import Applet, Screen
from gi.repository import GLib
from harness import until


BUS_LAUNCHER = next((path for path in ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi-bus-launcher",
                                       "/usr/lib/at-spi2-core/at-spi-bus-launcher") if os.path.exists(path)), "")


class AppletCase(harness.Case):
    """With a screen and a tray, and an applet to be made by start_applet()."""

    tray_is_there = True

    def setUp(self):
        super().setUp()
        self.applets = []
        self.forgiven = []
        self.screen = Screen(self.service.root)
        self.addCleanup(self.screen.stop)
        self.addCleanup(self.stop_applets)
        if self.tray_is_there:
            self.tray = self.own(Tray)

    def tearDown(self):
        """It must end well, and have had nothing to complain about."""
        for applet in self.applets:
            self.assertEqual(applet.end(), 0, applet.words())
            lines = [line for line in applet.words().splitlines()
                     if line and not any(text in line for text in self.forgiven)]
            self.assertEqual(lines, [])
        super().tearDown()

    def own(self, kind, **given):
        """Something of a desktop (applet_desktop.py)."""
        owner = kind(self.service.address("bus"), **given)
        self.addCleanup(owner.leave)
        return owner

    def forgive(self, text):
        """The applet may say this in its log."""
        self.forgiven.append(text)

    def stop_applets(self):
        for applet in self.applets:
            applet.kill()

    def start_applet(self, *arguments, **given):
        return Applet(self, *(arguments or [f"--address={self.service.address(self.door)}"]), **given)

    def claim(self, name="project", **given):
        return self.me.acquire(self.directory(name), manual=True, **given)

    def executable(self, folder, name, text):
        os.makedirs(f"{self.service.root}/{folder}", exist_ok=True)
        path = f"{self.service.root}/{folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def repository(self, name, *worktrees):
        """A Git repository with a commit, and worktrees beside it."""
        place = self.directory(name)
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", place]
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "begin"],
                        *(["worktree", "add", "-q", "-b", branch, f"{place}-{branch}"] for branch in worktrees)):
            subprocess.run([*git, *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1"})
        return place


@harness.both_doors
class Rows(AppletCase):
    def test_right_from_the_start(self):
        """What was there before it, and what comes after."""
        agent, first = self.holder(self.directory("one"), agent="claude", reason="the parser", subtree=True)
        second = self.claim("two", ttl=7200)
        applet = self.start_applet()
        applet.wait_ids([first, second])
        row = applet.row(first)
        self.assertEqual(row["directory"], self.directory("one"))
        self.assertEqual(row["holder"], f"claude · test-agent · process {agent.pid} · the parser")
        self.assertEqual(row["mode"], "Exclusive · with everything below")
        self.assertEqual(row["warning"] + row["trouble"] + row["waiters"], "")
        self.assertEqual(applet.row(second)["mode"], "Claim")
        self.assertIn("ends in", applet.row(second)["age"])
        self.assertIn("2 directories in use", applet.state()["texts"])
        third = self.claim("three")
        applet.wait_ids([first, second, third])

    def test_nothing_and_something(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.activate("win.copy-command")
        applet.wait_state(lambda state: "Command copied" in state["texts"], "a word about it")
        lock = self.claim()
        applet.wait_page("list")
        applet.wait_ids([lock])
        self.me.release(id=lock)
        applet.wait_page("empty")

    def test_changes(self):
        place = self.directory()
        agent, lock = self.holder(place, shared=True)
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["mode"] == "Shared", "the mode")
        waiter = self.agent(place)
        waiting = waiter.begin_acquire(place, conflict="wait")
        applet.wait_row(lock, lambda row: row["waiters"] == "1 waits", "one who waits")
        agent.die()
        new = waiting.value()[0]
        applet.wait_ids([new])
        other = self.agent(place)
        waiter.call("Transfer", new, harness.options(pid=other.pid))
        applet.wait_row(new, lambda row: str(other.pid) in row["holder"], "the new holder")
        self.assertEqual(applet.row(new)["waiters"], "")

    def test_how_long(self):
        """The text is rewritten while the window is there, and is not wrong for longer than it takes to write."""
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["age"].startswith("for "), "an age")
        first = applet.row(lock)["age"]
        applet.wait_row(lock, lambda row: row["age"] != first, "a later age")

    def test_in_the_background(self):
        """No window until one is asked for; then it is right at once."""
        lock = self.claim()
        applet = self.start_applet(f"--address={self.service.address(self.door)}", "--background")
        self.assertFalse(applet.has_window())
        applet.activate("app.show")
        applet.wait_ids([lock])

    def test_another_start_shows_the_first(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        program = os.path.join(harness.BUILD, "src/applet/agentctl-locks-applet")
        done = subprocess.run([program], env=applet.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=harness.LIMIT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        done = subprocess.run([program, "--system"], env=applet.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.LIMIT, check=False)
        self.assertEqual(done.returncode, 64)
        self.assertIn(b"runs already", done.stdout)


class Warnings(AppletCase):
    config = {"CwdGraceSec": 3600}

    def test_outside(self):
        place = self.directory()
        agent, lock = self.holder(place)
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["warning"] == "", "nothing to worry about")
        agent.chdir("/")
        row = applet.wait_row(lock, lambda row: row["warning"] != "", "a warning")
        self.assertIn("left the directory", row["warning"])
        self.assertEqual(row["icon"], "dialog-warning-symbolic")
        agent.chdir(place)
        row = applet.wait_row(lock, lambda row: row["warning"] == "", "no warning any more")
        self.assertEqual(row["icon"], "changes-prevent-symbolic")


class Groups(AppletCase):
    def test_worktrees(self):
        place = self.repository("app", "two", "three")
        other = self.repository("other")
        first = self.claim("app-two")
        alone = self.claim("other")
        second = self.claim("app-three")
        applet = self.start_applet()
        until(lambda: applet.rows() == [f"# {place}", first, second, alone], lambda: f"groups; shown: {applet.rows()}")
        self.me.release(id=second)
        until(lambda: applet.rows() == [first, alone], lambda: f"no group; shown: {applet.rows()}")
        self.assertTrue(os.path.isdir(other))

    def test_search(self):
        first = self.claim("apple", reason="the Parser")
        second = self.claim("pear")
        applet = self.start_applet()
        applet.wait_ids([first, second])
        applet.activate("app.test-search", GLib.Variant("s", "parser apple"))
        applet.wait_ids([first])
        third = self.claim("apple-two", reason="another parser")
        applet.wait_ids([first, third])
        applet.activate("app.test-search", GLib.Variant("s", "nobody has this"))
        applet.wait_page("nothing-found")
        applet.activate("app.show-lock", GLib.Variant("t", second))
        applet.wait_ids([first, second, third])


@harness.both_doors
class Actions(AppletCase):
    def test_copy_path(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.copy-path", lock)
        applet.wait_state(lambda state: "Path copied" in state["texts"], "a word about it")
        until(lambda: applet.clipboard() == self.directory(), lambda: f"the path; copied: {applet.clipboard()}")

    def test_open_terminal(self):
        lock = self.claim()
        self.executable("bin", "xdg-terminal-exec", f'#!/bin/sh\npwd >"{self.service.root}/opened.part"\n'
                        f'mv "{self.service.root}/opened.part" "{self.service.root}/opened"\n')
        applet = self.start_applet(environment={"PATH": f"{self.service.root}/bin:/usr/bin:/bin"})
        applet.wait_ids([lock])
        applet.on_lock("win.open-terminal", lock)
        until(lambda: os.path.exists(f"{self.service.root}/opened"), "the terminal")
        with open(f"{self.service.root}/opened", encoding="utf-8") as file:
            self.assertEqual(file.read().strip(), self.directory())
        self.assertEqual(applet.row(lock)["trouble"], "")

    def test_no_terminal(self):
        """The row says so, until it is dismissed or something else is asked of it."""
        lock = self.claim()
        applet = self.start_applet(environment={"PATH": f"{self.service.root}/nothing"})
        applet.wait_ids([lock])
        applet.on_lock("win.open-terminal", lock)
        applet.wait_row(lock, lambda row: "No terminal program was found" in row["trouble"], "an error in the row")
        applet.on_lock("win.copy-path", lock)
        applet.wait_row(lock, lambda row: row["trouble"] == "", "no error any more")

    def test_open_folder(self):
        lock = self.claim()
        handler = self.executable("bin", "file-manager", f'#!/bin/sh\nprintf %s "$1" >"{self.service.root}/opened.part"\n'
                                  f'mv "{self.service.root}/opened.part" "{self.service.root}/opened"\n')
        data = f"{self.service.root}/home/data/applications"
        os.makedirs(data)
        with open(f"{data}/file-manager.desktop", "w", encoding="utf-8") as file:
            file.write(f"[Desktop Entry]\nType=Application\nName=Files\nExec={handler} %u\nMimeType=inode/directory;\n")
        with open(f"{data}/mimeapps.list", "w", encoding="utf-8") as file:
            file.write("[Default Applications]\ninode/directory=file-manager.desktop\n")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.open-folder", lock)
        until(lambda: os.path.exists(f"{self.service.root}/opened"), lambda: f"the folder; {applet.row(lock)}")
        with open(f"{self.service.root}/opened", encoding="utf-8") as file:
            self.assertEqual(file.read().rstrip("/").removeprefix("file://"), self.directory())

    def test_release_a_claim(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.release", lock)
        self.me.wait_released(lock, "released")
        applet.wait_page("empty")
        applet.wait_state(lambda state: "Released project" in state["texts"], "a word about it")

    def test_a_holder_that_lives(self):
        """Releasing it without force is refused, in the row; with force it is asked first, and says what runs."""
        agent, lock = self.holder(self.directory(), agent="claude")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.release", lock)
        applet.wait_row(lock, lambda row: str(agent.pid) in row["trouble"], "a refusal in the row")
        applet.on_lock("win.force-release", lock)
        dialog = applet.wait_state(lambda state: state["dialog"], "a question")["dialog"]
        text = " ".join(dialog)
        for word in ("claude", "test-agent", str(agent.pid), self.directory(), "is running"):
            self.assertIn(word, text)
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "no question")
        self.assertEqual(applet.ids(), [lock])
        applet.on_lock("win.force-release", lock)
        applet.wait_state(lambda state: state["dialog"], "a question")
        applet.press("Release")
        self.me.wait_released(lock, "forced")
        applet.wait_ids([])

    def test_the_question_goes_with_the_lock(self):
        agent, lock = self.holder(self.directory())
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.force-release", lock)
        applet.wait_state(lambda state: state["dialog"], "a question")
        agent.die()
        applet.wait_state(lambda state: not state["dialog"], "no question")
        applet.wait_page("empty")

    def test_a_lock_that_has_ended(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.on_lock("win.release", 4711)
        applet.wait_state(lambda state: "This lock has ended." in state["texts"], "a word about it")

    def test_claim(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.activate("win.claim")
        applet.wait_state(lambda state: "Claim a Directory" in state["dialog"], "the dialog")
        applet.type("Directory", self.directory("mine") + "/missing")
        applet.press("Claim")
        applet.wait_state(lambda state: any("missing" in text for text in state["dialog"]), "an error in the dialog")
        applet.type("Directory", self.directory("mine"))
        applet.type("Reason", "reviewing")
        applet.choose("Until", 2)
        applet.press("Claim")
        signal_ = self.me.wait_signal("LockAcquired")
        self.assertEqual(signal_.directory, self.directory("mine"))
        self.assertEqual((signal_.lock["kind"], signal_.lock["reason"]), ("manual", "reviewing"))
        self.assertAlmostEqual(signal_.lock["expires-at"] - signal_.lock["acquired-at"], 3600e6, delta=2e6)
        applet.wait_state(lambda state: not state["dialog"], "the end of the dialog")
        applet.wait_ids([signal_.id])

    def test_claim_what_is_held(self):
        agent, lock = self.holder(self.directory(), agent="claude")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.activate("win.claim")
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        applet.type("Directory", self.directory())
        applet.press("Claim")
        applet.wait_state(lambda state: any(str(agent.pid) in text for text in state["dialog"]), "who holds it")
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "the end of the dialog")


@harness.both_doors
class Recovery(AppletCase):
    def test_the_service_goes_and_comes(self):
        agent, kept = self.holder(self.directory("kept"))
        gone, lost = self.holder(self.directory("lost"))
        applet = self.start_applet()
        applet.wait_ids([kept, lost])
        self.service.stop()
        state = applet.wait_state(lambda state: state["banner"] != "", "a banner")
        self.assertIn("The service has ended.", state["banner"])
        self.assertEqual(applet.ids(), [kept, lost])
        gone.die()
        self.service.start()
        applet.wait_state(lambda state: state["banner"] == "", "no banner")
        applet.wait_ids([kept])
        self.me = self.client()
        later = self.claim("later")
        applet.wait_ids([kept, later])
        agent.die()
        applet.wait_ids([later])

    def test_it_is_killed(self):
        """Again and again; what happens meanwhile is seen afterwards."""
        applet = self.start_applet()
        applet.wait_page("empty")
        for number in range(3):
            self.service.kill()
            applet.wait_page("away")
            self.service.start()
            applet.wait_page("empty")
            self.me = self.client()
            lock = self.claim(f"p{number}")
            applet.wait_ids([lock])
            self.me.release(id=lock)
            applet.wait_page("empty")

    def test_asking_while_it_is_away(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        self.service.stop()
        applet.wait_state(lambda state: state["banner"] != "", "a banner")
        applet.on_lock("win.release", lock)
        applet.wait_row(lock, lambda row: "away" in row["trouble"], "an error in the row")

    def test_it_comes_later(self):
        """Nobody is there at first."""
        self.service.stop()
        applet = self.start_applet()
        applet.wait_page("away")
        self.service.start()
        applet.wait_page("empty")


class Finding(AppletCase):
    """Without an address: as the commands find it."""

    autostart = False

    def test_it_is_started(self):
        """Where none runs and no bus would start it, the applet's start starts it, as a command would."""
        applet = self.start_applet("--user")
        applet.wait_page("empty")
        runtime = f"{self.service.root}/xdg/agentctl-locks"
        self.assertTrue(stat.S_ISSOCK(os.stat(f"{runtime}/bus").st_mode))
        done = self.command_line("claim", self.directory("mine"), "--user", address=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        applet.wait_page("list")
        daemon = self.daemons()[0]
        os.kill(daemon, signal.SIGKILL)
        applet.wait_state(lambda state: state["banner"] != "", "a banner")
        # It is waited for, until a person says otherwise.
        applet.activate("win.start-service")
        applet.wait_state(lambda state: state["banner"] == "", "no banner")
        self.assertNotEqual(self.daemons(), [daemon])

    def test_it_is_on_the_bus_alone(self):
        """The socket of another folder: the name on the session bus leads to it."""
        self.service.start()
        applet = self.start_applet("--user")
        applet.wait_page("empty")
        self.me = self.client()
        lock = self.claim()
        applet.wait_ids([lock])

    def daemons(self):
        """Those that live in our folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = f"HOME={self.service.root}/home".encode() in file.read().split(b"\0")
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    name = file.read().strip()
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    dead = file.read().rpartition(")")[2].split()[0] in "ZX"
            except OSError:
                continue
            if ours and not dead and name.startswith("agentctl-locksd"):
                found.append(int(pid))
        return found


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

    def scene(self):
        """Every kind of row; the person's home is the folder of the test, for the sake of the pictures."""
        self.service.environment["HOME"] = self.directory("home")
        self.repository("home/src/webshop", "login", "fix-parser")
        first, _ = self.holder(self.directory("home/src/webshop-login"), agent="claude", reason="the login page")
        place = self.directory("home/src/website")
        self.holder(place, agent="codex")
        for _ in range(2):
            self.agent(place).begin_acquire(place, conflict="wait")
        second, lock = self.holder(self.directory("home/src/webshop-fix-parser"), agent="claude", session="s1", subtree=True)
        self.me.wait_signal("LockAcquired", lock)
        second.chdir("/")
        self.holder(self.directory("home/experiments/a-name-that-is-too-long-for-any-row/of-this-window/however/wide-it-is"),
                    shared=True, agent="gemini")
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
        applet.wait_state(lambda state: any("test-agent" in text for text in state["dialog"]), "an error")
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
        applet.activate("app.test-direction", GLib.Variant("b", False))
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


@harness.both_doors
class Load(AppletCase):
    config = {"MaxLocksPerUser": 5000}

    def test_hundreds_of_changes_a_second(self):
        """Nothing is lost and nothing doubled; the list is redrawn, not flooded."""
        kept = [self.claim(f"kept{number}") for number in range(3)]
        places = [self.directory(f"d{number}") for number in range(20)]
        applet = self.start_applet()
        applet.wait_ids(kept)
        for _ in range(30):
            locks = [self.me.acquire(place, manual=True) for place in places]
            for lock in locks[:-1]:
                self.me.release(id=lock)
            kept.append(locks[-1])
            places[-1] = self.directory(f"last{len(kept)}")
        applet.wait_ids(kept)
        self.assertEqual([lock["id"] for lock in self.me.list()], kept)

    def test_a_start_in_the_midst(self):
        """Subscribed first, listed second: whatever moment it starts at."""
        places = [self.directory(f"d{number}") for number in range(10)]
        running = self.start_command_line_load(places)
        applet = self.start_applet()
        until(lambda: running.poll() is not None, "the end of the load")
        applet.wait_ids([lock["id"] for lock in self.me.list()])

    def start_command_line_load(self, places):
        """Another process that claims and releases for a while, and leaves every second lock."""
        script = (
            "import gi, sys\ngi.require_version('Gio', '2.0')\nfrom gi.repository import Gio, GLib\n"
            "flags = Gio.DBusConnectionFlags(int(sys.argv[2]))\n"
            "bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)\n"
            "name = 'org.agentctl.Locks' if int(sys.argv[2]) & 8 else None\n"
            "def call(method, *args):\n"
            "    return bus.call_sync(name, '/org/agentctl/Locks', 'org.agentctl.Locks', method,\n"
            "        GLib.Variant('(sa{sv})', args), None, 0, -1, None).unpack()[0]\n"
            "for _ in range(100):\n"
            "    ids = [call('Acquire', p, {'manual': GLib.Variant('b', True)}) for p in sys.argv[3:]]\n"
            "    for i in ids: call('Release', '', {'id': GLib.Variant('t', i)})\n"
            "for p in sys.argv[3::2]: call('Acquire', p, {'manual': GLib.Variant('b', True)})\n")
        process = subprocess.Popen(["/usr/bin/python3", "-c", script, self.service.address(self.door),
                                    "1" if self.door == "direct" else "9", *places], stdin=subprocess.DEVNULL,
                                   preexec_fn=harness._die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


if __name__ == "__main__":
    harness.main()
